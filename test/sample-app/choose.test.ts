import { beforeAll, describe, expect, it } from '@jest/globals';
import { type Login, type SampleApp, refusal, useSampleApps } from './sample-app.js';

interface Refused {
  readonly errorCode: string;
  readonly limit: number;
  readonly sessions: readonly Readonly<
    Record<'sessionId' | 'deviceType' | 'deviceName' | 'lastSeenAt', string | null>
  >[];
  readonly ticket: string;
}

describe('a login at the limit', () => {
  const apps = useSampleApps();
  let app: SampleApp;

  beforeAll(async () => (app = await apps.start({ SESSION_POLICY: 'multi:1', SESSION_OVERFLOW: 'reject' })));

  const tryLogin = (body: object) => app.post('/auth/login', body);
  const ALICE = { username: 'alice', password: 'alice-password' };

  /** A device that is in use, and the refusal of the next one. */
  async function refused(): Promise<{ first: Login; body: Refused }> {
    for (const { sessionId } of (await app.get('/admin/users/alice/sessions', admin)).body.items as Login[]) {
      await app.delete(`/admin/sessions/${sessionId}`, admin);
    }
    const first = await app.login('alice', { deviceType: 'phone', deviceName: 'Old phone' });
    await app.get('/me', first.accessToken);
    const answer = await tryLogin(ALICE);
    expect(answer).toMatchObject({ status: 409, body: { errorCode: 'SESSION_LIMIT_REACHED', limit: 1 } });
    return { first, body: answer.body as Refused };
  }

  let admin: string;
  beforeAll(async () => (admin = (await app.login('admin')).accessToken));

  it('tells only who knows the password what may be ended', async () => {
    const { first, body } = await refused();
    expect(body.sessions).toMatchObject([
      { sessionId: first.sessionId, deviceType: 'phone', deviceName: 'Old phone', lastSeenAt: expect.any(String) },
    ]);
    expect(JSON.stringify(body)).not.toContain('127.0.0.1');
    const wrong = await tryLogin({ ...ALICE, password: 'wrong' });
    expect(wrong).toMatchObject(refusal(401, 'BAD_CREDENTIALS'));
    expect(wrong.body).not.toHaveProperty('sessions');
  });

  it.each([
    ['by the ticket alone', {}],
    ['with the password again', ALICE],
  ])('is chosen %s, and ends what was chosen', async (_how, credentials) => {
    const { first, body } = await refused();
    const choice = { ...credentials, ticket: body.ticket, endSessions: [first.sessionId], deviceType: 'laptop' };
    const answer = await tryLogin(choice);
    expect(answer).toMatchObject({
      status: 200,
      body: { ended: [{ sessionId: first.sessionId, reason: 'SESSION_REPLACED' }] },
    });
    const { accessToken } = answer.body as Login;
    expect(await app.get('/me', accessToken)).toMatchObject({ body: { userId: 'alice', deviceType: 'laptop' } });
    expect(await app.get('/me', first.accessToken)).toMatchObject(refusal(401, 'SESSION_REPLACED'));
    expect(await tryLogin(choice)).toMatchObject(refusal(401, 'LOGIN_CHOICE_INVALID'));
    expect((await app.get('/me', accessToken)).status).toBe(200);
  });

  it('takes "oldest", and nothing that makes no sense', async () => {
    const { first, body } = await refused();
    const { ticket } = body;
    for (const bad of [
      { ticket },
      { endSessions: 'oldest' },
      { ...ALICE, endSessions: 'oldest' },
      { ticket, endSessions: 'newest' },
      { ticket, endSessions: [] },
      { ticket, endSessions: [1] },
      { ticket, endSessions: ['x'] },
      { ticket: 1, endSessions: 'oldest' },
      { ticket, endSessions: 'oldest', username: 'alice' },
    ]) {
      expect(await tryLogin(bad)).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
    const bob = { username: 'bob', password: 'bob-password' };
    expect(await tryLogin({ ...bob, ticket, endSessions: 'oldest' })).toMatchObject(
      refusal(401, 'LOGIN_CHOICE_INVALID'),
    );
    expect((await app.get('/me', first.accessToken)).status).toBe(200);
    expect(await tryLogin({ ticket, endSessions: 'oldest' })).toMatchObject({ status: 200, body: { ended: [{}] } });
  });
});
