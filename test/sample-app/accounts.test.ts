import { beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Answer, type Login, type SampleApp, until, useSampleApps, refusal } from './sample-app.js';

const codeOf = ({ status, body }: Answer) => (status === 200 ? 200 : (body?.errorCode as string));

describe('accounts', () => {
  const apps = useSampleApps();
  let database: TestDatabase;
  let app: SampleApp;
  let admin: string;

  beforeAll(async () => {
    database = await apps.database(kindsOf('sqlite')[0]!);
    const variables = { HTTP_ADAPTER: 'fastify', SESSION_POLICY: 'multi', SEED_USERS: '9' };
    app = await apps.start({ DATABASE_URL: database.url, ...variables });
    admin = (await app.login('admin')).accessToken;
  });

  const tryLogin = (username: string, password = 'password') => app.post('/auth/login', { username, password });
  const ban = (userId: string, body?: unknown) => app.post(`/admin/users/${userId}/ban`, body, admin);
  const lift = async (userId: string, query = '') =>
    (await app.delete(`/admin/users/${userId}/ban${query}`, admin)).body as unknown;
  const me = async ({ accessToken }: Login) => codeOf(await app.get('/me', accessToken));

  it('a ban ends the sessions and refuses logins, and only who knows the password is told', async () => {
    const logins = [await app.login('user1'), await app.login('user1')];
    const other = await app.login('user2');
    expect(await ban('user1', { reason: 'spam' })).toMatchObject({ status: 200, body: { ended: 2 } });
    expect(await Promise.all([...logins, other].map(me))).toEqual(['ACCOUNT_DISABLED', 'ACCOUNT_DISABLED', 200]);
    expect(codeOf(await app.refresh(logins[0]!.refreshToken))).toBe('ACCOUNT_DISABLED');
    expect(await tryLogin('user1')).toMatchObject(refusal(401, 'ACCOUNT_DISABLED'));
    expect(codeOf(await tryLogin('user1', 'wrong'))).toBe('BAD_CREDENTIALS');
    expect((await app.get('/admin/users/user1/bans', admin)).body.items).toMatchObject([
      { service: null, reason: 'spam', by: 'admin', until: null },
    ]);
    expect(await lift('user1')).toEqual({ lifted: true });
    expect(await lift('user1')).toEqual({ lifted: false });
    expect((await tryLogin('user1')).status).toBe(200);
    // The sessions that it ended stay ended.
    expect(await me(logins[0]!)).toBe('ACCOUNT_DISABLED');
    const types = (await app.get('/admin/events?userId=user1', admin)).body.items.map(
      ({ type }: { type: string }) => type,
    ) as string[];
    expect(types).toEqual(expect.arrayContaining(['BANNED', 'BAN_LIFTED', 'LOGIN_REFUSED', 'SESSION_ENDED']));
  });

  it('a ban from a service refuses that one from its level on, and nothing else', async () => {
    const login = await app.login('user4');
    const comment = () => app.post('/comments', { text: 'Hello' }, login.accessToken);
    expect((await comment()).body).toEqual({ userId: 'user4', text: 'Hello' });
    expect((await ban('user4', { service: 'comment', level: 1 })).body).toEqual({ ended: 0 });
    expect((await comment()).status).toBe(200);
    await ban('user4', { service: 'other', level: 9 });
    expect((await comment()).status).toBe(200);
    await ban('user4', { service: 'comment', level: 2, reason: 'spam' });
    expect(await comment()).toMatchObject({
      status: 403,
      body: { errorCode: 'SERVICE_BANNED', service: 'comment', level: 2, reason: 'spam' },
    });
    expect(await me(login)).toBe(200);
    expect(await lift('user4', '?service=comment')).toEqual({ lifted: true });
    expect((await comment()).status).toBe(200);
  });

  it('everybody is thrown out by an administrator who types the words, and may log in again', async () => {
    const logins = [await app.login('user9'), await app.login('user8'), await app.login('admin')];
    const order = { confirm: 'end everything', reason: 'breach' };
    const [user, , operator] = logins.map(({ accessToken }) => accessToken);
    const endEverything = (body: object, token = operator) => app.post('/admin/end-everything', body, token);
    expect(await endEverything(order, user)).toMatchObject(refusal(403, 'FORBIDDEN'));
    for (const body of [{ reason: 'breach' }, { ...order, confirm: 'end' }, { confirm: order.confirm }]) {
      expect(await endEverything(body)).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
    expect(await Promise.all(logins.map(me))).toEqual([200, 200, 200]);
    expect(await endEverything(order)).toMatchObject({ status: 200, body: { ended: null } });
    expect(await Promise.all(logins.map(me))).toEqual(Array(3).fill('SESSION_KICKED'));
    expect(codeOf(await app.refresh(logins[0]!.refreshToken))).toBe('SESSION_KICKED');
    expect(await me(await app.login('user9'))).toBe(200);
    admin = (await app.login('admin')).accessToken;
    expect((await app.get('/admin/events?type=REALM_SESSIONS_ENDED', admin)).body.items).toMatchObject([
      { actor: 'admin', detail: { reason: 'breach' } },
    ]);
  });

  it('a ban of nobody changes nothing', async () => {
    const login = await app.login('user5');
    for (const name of ['nobody', 'USER5', 'user5%20', '%00', 'u'.repeat(129)]) {
      expect([name, codeOf(await ban(name, {}))]).toEqual([name, 'ARGUMENT_INVALID']);
      const impersonation = await app.post(`/admin/users/${name}/impersonate`, {}, admin);
      expect([name, codeOf(impersonation)]).toEqual([name, 'ARGUMENT_INVALID']);
    }
    expect(await me(login)).toBe(200);
    expect((await app.get('/admin/users/user5/bans', admin)).body).toEqual({ items: [] });
  });

  it('a sensitive route wants a fresh proof, which is of one session and is not had with a wrong password', async () => {
    const [login, other] = [await app.login('user6'), await app.login('user6')];
    const sensitive = ({ accessToken }: Login) => app.post('/me/sensitive', undefined, accessToken);
    expect(await sensitive(login)).toMatchObject({ status: 200, body: { done: true, userId: 'user6' } });
    await elevenMinutesPass();
    expect(await sensitive(login)).toMatchObject({
      status: 403,
      headers: { 'www-authenticate': expect.stringContaining('error="insufficient_user_authentication"') },
      body: { errorCode: 'FRESH_LOGIN_REQUIRED' },
    });
    expect(await me(login)).toBe(200);
    const confirm = (password: unknown) => app.post('/auth/confirm-password', { password }, login.accessToken);
    expect(await confirm('wrong')).toMatchObject(refusal(401, 'BAD_CREDENTIALS'));
    expect(await confirm('')).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    expect((await sensitive(login)).status).toBe(403);
    expect(await confirm('password')).toMatchObject({ status: 204, text: '' });
    expect((await sensitive(login)).status).toBe(200);
    expect((await sensitive(other)).status).toBe(403);
  });

  async function elevenMinutesPass(): Promise<void> {
    const dataSource = await new DataSource(database.options).initialize();
    const { affected } = await dataSource
      .createQueryBuilder()
      .update('latchkey_session')
      .set({ authenticated_at: () => 'authenticated_at - 660000' })
      .where("user_id = 'user6'")
      .execute();
    expect(affected).toBe(2);
    await dataSource.destroy();
  }

  it('an operator acts as a user, and everything says so', async () => {
    const own = await app.login('user7');
    const as = (userId: string, body: unknown = {}) => app.post(`/admin/users/${userId}/impersonate`, body, admin);
    const answer = await as('user7', { reason: 'ticket 7', for: '5m' });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'cache-control': 'no-store' },
      body: { tokenType: 'Bearer', accessToken: expect.any(String), ended: [] },
    });
    const session = answer.body as Login;
    expect(session.expiresIn).toBeLessThanOrEqual(300);
    const seen = await app.get('/me', session.accessToken);
    expect(seen.body).toMatchObject({ userId: 'user7', roles: [], impersonator: 'admin' });
    expect((await app.get('/me', own.accessToken)).body).not.toHaveProperty('impersonator');
    expect(codeOf(await app.post('/me/sensitive', undefined, session.accessToken))).toBe('FRESH_LOGIN_REQUIRED');
    expect(codeOf(await app.get('/admin/events', session.accessToken))).toBe('FORBIDDEN');
    const online = await app.get('/admin/online-users?userId=user7', admin);
    expect(online.body.items.map((item: { impersonator: unknown }) => item.impersonator).sort()).toEqual([
      'admin',
      null,
    ]);
    expect((await app.get('/admin/events?userId=user7&type=IMPERSONATION', admin)).body.items).toMatchObject([
      { actor: 'admin', sessionId: session.sessionId, detail: { reason: 'ticket 7' } },
    ]);
    // Its user is told that it is support, and neither who nor from where.
    for (const token of [own.accessToken, session.accessToken]) {
      const list = await app.get('/sessions', token);
      const byId = new Map(list.body.items.map((item: { sessionId: string }) => [item.sessionId, item]));
      expect(byId.get(own.sessionId)).toMatchObject({ impersonated: false, ip: '127.0.0.1' });
      expect(byId.get(session.sessionId)).toMatchObject({ impersonated: true, ip: null, userAgent: null });
      expect(list.text).not.toContain('admin');
    }
    const sightings = async () =>
      (await app.get(`/admin/sightings?userId=user7`, admin)).body.items as { sessionId: string }[];
    await until(async () => (await sightings()).some(({ sessionId }) => sessionId === session.sessionId));
    expect(
      (await sightings()).map((item) => [item.sessionId, (item as { impersonator?: unknown }).impersonator]).sort(),
    ).toEqual(
      [
        [own.sessionId, null],
        [session.sessionId, 'admin'],
      ].sort(),
    );
    expect(codeOf(await as('admin'))).toBe('FORBIDDEN');
    expect(codeOf(await as('user7', { for: '13h' }))).toBe('ARGUMENT_INVALID');
    expect(codeOf(await app.post('/admin/users/user8/impersonate', {}, own.accessToken))).toBe('FORBIDDEN');
  });

  it('key-values have limits, and what is beyond them changes nothing', async () => {
    const { accessToken } = await app.login('user8');
    for (const kind of ['token-data', 'account-data']) {
      const path = `/me/${kind}/limits`;
      await app.put(path, { value: 'good' }, accessToken);
      expect((await app.put(path, { other: 1 }, accessToken)).body.message).toBe('value is missing.');
      const tooLong = await app.put(path, { value: 'x'.repeat(16_384) }, accessToken);
      expect(tooLong).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
      expect((await app.put(path, { value: 'x'.repeat(70_000) }, accessToken)).status).toBe(413);
      for (const key of ['%00', '%0a', 'k'.repeat(129)]) {
        const answer = await app.put(`/me/${kind}/${key}`, { value: 1 }, accessToken);
        expect([key, codeOf(answer)]).toEqual([key, 'ARGUMENT_INVALID']);
      }
      for (const key of ['__proto__', 'constructor', '%27%3B--', '%F0%9F%8D%8E', 'a%2Fb']) {
        expect((await app.put(`/me/${kind}/${key}`, { value: key }, accessToken)).status).toBe(200);
        expect((await app.get(`/me/${kind}/${key}`, accessToken)).body).toEqual({
          key: decodeURIComponent(key),
          value: key,
        });
      }
      expect((await app.get(path, accessToken)).body.value).toBe('good');
    }
  });
});
