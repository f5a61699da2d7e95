import { describe, expect, it } from '@jest/globals';
import { kindsOf } from '../support/databases.js';
import { type Login, useSampleApp, refusal } from './sample-app.js';

const PHONE = { deviceType: 'phone', deviceName: 'Phone of Alice' };
const LAPTOP = { deviceType: 'laptop', deviceName: 'Laptop of Alice' };
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe.each(kindsOf('sqlite', 'postgres', 'mariadb'))('a newcomer on $name', (kind) => {
  const app = useSampleApp({}, kind);

  it('logs in on a phone, then on a laptop, and the phone is told why it is out', async () => {
    const phoneLogin = await app.post('/auth/login', { username: 'alice', password: 'alice-password', ...PHONE });
    expect(phoneLogin).toMatchObject({
      status: 200,
      body: {
        tokenType: 'Bearer',
        ended: [],
        refreshExpiresIn: 30 * 86_400,
        sessionId: expect.stringMatching(/^[0-9a-f]{32}$/),
      },
    });
    const phone = phoneLogin.body as Login;
    // Up to 5 % are taken off, so that clients do not all come back at once.
    expect(phone.expiresIn).toBeGreaterThanOrEqual(1700);
    expect(phone.expiresIn).toBeLessThanOrEqual(1800);
    expect((await app.get('/me', phone.accessToken)).body).toEqual({
      userId: 'alice',
      username: 'alice',
      roles: [],
      sessionId: phone.sessionId,
      ...PHONE,
      deviceId: null,
      amr: ['pwd'],
      createdAt: expect.stringMatching(ISO),
      expiresAt: expect.stringMatching(ISO),
    });

    const laptop = await app.login('alice', LAPTOP);
    expect(laptop.ended).toEqual([{ sessionId: phone.sessionId, reason: 'SESSION_REPLACED' }]);
    expect(await app.get('/me', laptop.accessToken)).toMatchObject({ status: 200, body: { deviceType: 'laptop' } });
    const refused = await app.get('/me', phone.accessToken);
    expect(refused).toMatchObject({
      status: 401,
      headers: {
        'www-authenticate': expect.stringMatching(/^Bearer realm="users", error="invalid_token", error_desc/),
      },
      body: {
        statusCode: 401,
        error: 'Unauthorized',
        message: expect.any(String),
        errorCode: 'SESSION_REPLACED',
        endedAt: expect.stringMatching(ISO),
        replacedBy: { ...LAPTOP, at: expect.stringMatching(ISO) },
      },
    });
  });

  it('sees who is online and what happened, and ends a session', async () => {
    const alice = await app.login('alice', LAPTOP);
    const admin = await app.login('admin');
    const online = await app.get('/admin/online-users?userId=alice', admin.accessToken);
    expect(online.body).toMatchObject({
      items: [{ sessionId: alice.sessionId, userId: 'alice', username: 'alice', ...LAPTOP, ip: '127.0.0.1' }],
      nextCursor: null,
      total: 1,
    });
    expect(await app.delete(`/admin/sessions/${alice.sessionId}`, admin.accessToken)).toMatchObject({
      status: 200,
      body: { ended: 1 },
    });
    expect(await app.get('/me', alice.accessToken)).toMatchObject({
      status: 401,
      body: { errorCode: 'SESSION_KICKED', endedAt: expect.stringMatching(ISO) },
    });
    expect((await app.delete(`/admin/sessions/${alice.sessionId}`, admin.accessToken)).body).toEqual({ ended: 0 });
    const events = await app.get(`/admin/events?sessionId=${alice.sessionId}`, admin.accessToken);
    expect(events.body.items).toContainEqual(
      expect.objectContaining({ type: 'SESSION_ENDED', reason: 'SESSION_KICKED', actor: 'admin', userId: 'alice' }),
    );
  });

  it('changes the password, which ends the other sessions, and logs in with the new one only', async () => {
    const url = '/auth/login';
    const session = await app.login('bob', PHONE);
    const change = (oldPassword: string, newPassword: string) =>
      app.post('/auth/change-password', { oldPassword, newPassword }, session.accessToken);
    expect(await change('wrong', 'bob-password-2')).toMatchObject(refusal(401, 'BAD_CREDENTIALS'));
    expect(await change('bob-password', 'short')).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    expect(await change('bob-password', 'bob-password-2')).toMatchObject({ status: 200, body: { ended: 0 } });
    // As a client does that never got the answer.
    expect(await change('bob-password', 'bob-password-2')).toMatchObject({ status: 200, body: { ended: 0 } });
    expect(await change('bob-password', 'bob-password-3')).toMatchObject({ status: 401 });
    expect((await app.get('/me', session.accessToken)).status).toBe(200);
    expect(await app.post(url, { username: 'bob', password: 'bob-password' })).toMatchObject({ status: 401 });
    expect(await app.post(url, { username: 'bob', password: 'bob-password-2' })).toMatchObject({ status: 200 });
  });

  it('knows one spelling of a name, whatever the database takes as equal', async () => {
    for (const username of ['ALICE', 'alice ', ' alice', 'ａlice', 'álice']) {
      expect(await app.post('/auth/login', { username, password: 'alice-password' })).toMatchObject(
        refusal(401, 'BAD_CREDENTIALS'),
      );
    }
  });
});
