import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, type Login, until, useSampleApp, useSampleApps, refusal } from './sample-app.js';

/** Anything that tells of the inside: stacks, statements, tables, paths. */
const INSIDE = /^\s+at |SELECT|INSERT|UPDATE |app_user|latchkey_|sqlite|node_modules|dist-sample|\.js\b|\.ts\b/im;

/** Fields that are numbers or the text of one, and what they cannot be. */
const NUMBERS: Readonly<Record<string, readonly unknown[]>> = {
  level: [0, -1, 1.5, 1e9, 'two', '1e3', '0x1'],
  until: [0, -1, 1.5, 1e15, 'yesterday', '2026-13-01', '2001-01-01', 978_307_200_000],
};

describe.each(['express', 'fastify'])('what clients may try, on %s', (HTTP_ADAPTER) => {
  const app = useSampleApp({ HTTP_ADAPTER, SESSION_POLICY: 'multi', SEED_USERS: '2' });
  const answers: Answer[] = [];

  beforeAll(() => {
    const send = app.send.bind(app);
    app.send = async (...request) => {
      const answer = await send(...request);
      answers.push(answer);
      return answer;
    };
  });

  const tryLogin = (body: unknown, headers = {}) => app.send('POST', '/auth/login', { body, headers });
  const live = async ({ accessToken }: Login) => (await app.get('/me', accessToken)).status === 200;

  it('A39: no cache may keep an answer with a token, nor any other answer about a user', async () => {
    const login = await tryLogin({ username: 'alice', password: 'alice-password' });
    expect(login.headers['cache-control']).toBe('no-store');
    const token = login.body.accessToken as string;
    const refreshed = await app.refresh(login.body.refreshToken as string);
    expect(refreshed).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    for (const path of ['/me', '/sessions', '/me/token-data/x', '/me/account-data/x']) {
      expect((await app.get(path, token)).headers['cache-control']).toBe('no-store');
    }
  });

  it('A46: nothing changes on GET or HEAD', async () => {
    const login = await app.login('alice');
    const admin = await app.login('admin');
    const paths = ['/auth/logout', '/auth/login', '/auth/logout-others', `/sessions/${login.sessionId}`];
    for (const method of ['GET', 'HEAD']) {
      for (const path of [
        ...paths,
        '/auth/change-password',
        '/auth/refresh',
        '/auth/confirm-password',
        '/me/sensitive',
        '/comments',
        `/admin/sessions/${login.sessionId}`,
        '/admin/users/alice/ban',
        '/admin/users/alice/impersonate',
      ]) {
        const { status } = await app.send(method, path, { token: admin.accessToken });
        expect([404, 405]).toContain(status);
      }
      expect((await app.send(method, '/admin/users/alice/sessions', { token: admin.accessToken })).status).toBe(200);
    }
    expect(await live(login)).toBe(true);
  });

  it('A64: logout is the same answer for every token and for none, and may be repeated', async () => {
    const login = await app.login('alice');
    const { accessToken } = login;
    const wellFormed = accessToken.slice(0, -1) + (accessToken.endsWith('A') ? 'B' : 'A');
    const seen = new Set<string>();
    for (const authorization of [
      undefined,
      `Bearer ${accessToken}`,
      `Bearer ${accessToken}`,
      `Bearer ${wellFormed}`,
      'Bearer nonsense',
      'Bearer',
      'Basic YTpi',
      `Bearer ${'x'.repeat(9000)}`,
    ]) {
      const headers = authorization === undefined ? {} : { authorization };
      const { status, text, headers: answered } = await app.send('POST', '/auth/logout', { headers });
      seen.add(JSON.stringify([status, text, { ...answered, date: null }]));
    }
    expect([...seen].map((one) => (JSON.parse(one) as unknown[]).slice(0, 2))).toEqual([[204, '']]);
    expect(await live(login)).toBe(false);
  });

  it('A77, G9: a failed login changes nothing, tells nobody whether the user exists, and is on record', async () => {
    const login = await app.login('user1', { deviceId: 'device-1' });
    const before = (await app.get('/sessions', login.accessToken)).body.items.length as number;
    const device = { deviceType: 'phone', deviceName: 'her phone' };
    const wrong = { ...device, password: 'a-wrong-password', deviceId: 'device-1' };
    const [known, unknown] = [
      await tryLogin({ ...wrong, username: 'user1' }, { authorization: `Bearer ${login.accessToken}` }),
      await tryLogin({ ...wrong, username: 'nobody' }, { authorization: `Bearer ${login.accessToken}` }),
    ];
    expect(known).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="users"' } });
    expect(known.body.errorCode).toBe('BAD_CREDENTIALS');
    expect(unknown.body).toEqual(known.body);
    expect(await live(login)).toBe(true);
    expect((await app.get('/sessions', login.accessToken)).body.items).toHaveLength(before);
    const admin = await app.login('admin');
    const failed = () => app.get('/admin/events?type=LOGIN_FAILED', admin.accessToken);
    await until(async () => (await failed()).body.items.length === 2);
    // Of who it was said to be and from where; nothing of the logins that succeeded.
    const { body, text } = await failed();
    expect(body.items).toMatchObject(
      ['nobody', 'user1'].map((userId) => ({ userId, actor: userId, ip: '127.0.0.1', ...device })),
    );
    expect(text).not.toContain('a-wrong-password');
  });

  it('A95: nothing but text of reasonable length gets through, in any field of any body', async () => {
    const { accessToken: token } = await app.login('alice');
    const bad: readonly unknown[] = [
      { $ne: null },
      ['alice'],
      1,
      true,
      { toString: 'x' },
      'x'.repeat(5000),
      'a\u0000b',
      '\ud800',
    ];
    const good: Record<string, Record<string, unknown>> = {
      '/auth/login': { username: 'alice', password: 'alice-password', deviceType: 'a', deviceId: 'b', deviceName: 'c' },
      '/auth/change-password': { oldPassword: 'alice-password', newPassword: 'alice-password' },
      '/auth/confirm-password': { password: 'alice-password' },
      '/auth/logout': { refreshToken: 'x' },
      '/comments': { text: 'Hello' },
      '/admin/users/bob/ban': { reason: 'a', service: 'comment', level: 1, until: '2999-01-01' },
      '/admin/users/bob/impersonate': { reason: 'a', for: '5m' },
    };
    const asOperator = (await app.login('admin')).accessToken;
    for (const [path, fields] of Object.entries(good)) {
      for (const name of Object.keys(fields)) {
        for (const value of [...bad, ...(NUMBERS[name] ?? [])]) {
          if (name in NUMBERS && value === 1) continue;
          const answer = await app.post(
            path,
            { ...fields, [name]: value },
            path.startsWith('/admin') ? asOperator : token,
          );
          if (answer.status !== 400) expect([path, name, value]).toBeUndefined();
          expect(answer).toMatchObject({ status: 400, body: { statusCode: 400, errorCode: 'ARGUMENT_INVALID' } });
        }
      }
    }
    for (const body of ['[]', '"text"', '5', 'null', '{', '{"username":', '\u0000', '{"username":"alice"}', '{}', '']) {
      expect(await tryLogin(body)).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
    expect(await tryLogin(JSON.stringify({ username: 'x'.repeat(200_000) }))).toMatchObject(
      refusal(413, 'ARGUMENT_INVALID'),
    );
    expect(await app.send('POST', '/auth/login')).toMatchObject({ status: 400 });
    expect(await tryLogin('username=alice', { 'content-type': 'application/x-www-form-urlencoded' })).toMatchObject(
      refusal(400, 'ARGUMENT_INVALID'),
    );
  });

  it('A98, A106: who one is, and what one may, comes from the login and never from a body or a query', async () => {
    const extra =
      '"userId":"admin","roles":["admin"],"claims":{},"expiresAt":9,"authenticatedAt":1,"ip":"6.6.6.6","makeRoom":{},"__proto__":{}';
    for (const field of extra.match(/"\w+":(\[.*?\]|[^,]+)/g)!) {
      const answer = await tryLogin(`{"username":"alice","password":"alice-password",${field}}`);
      const name = /\w+/.exec(field)![0];
      expect(answer).toMatchObject({
        status: 400,
        body: { errorCode: 'ARGUMENT_INVALID', message: expect.stringContaining(`"${name}" is unknown`) },
      });
    }
    const alice = await app.login('alice');
    const bob = await app.login('bob');
    const me = await app.get('/me', alice.accessToken);
    expect(me.body).toMatchObject({ userId: 'alice', username: 'alice', roles: [] });
    expect(Date.parse(me.body.expiresAt as string)).toBeLessThan(Date.now() + 91 * 86_400_000);
    for (const path of ['/me?userId=bob', '/sessions?userId=bob', '/me/live?userId=bob']) {
      expect(await app.get(path, alice.accessToken)).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
    const list = await app.send('GET', '/sessions', {
      token: alice.accessToken,
      headers: { 'x-user-id': 'bob' },
    });
    const ids = list.body.items.map(({ sessionId }: Login) => sessionId) as string[];
    expect(ids).toContain(alice.sessionId);
    expect(ids).not.toContain(bob.sessionId);
    expect(list.body.items[0].ip).toBe('127.0.0.1');
    const others = { userId: 'bob', sessionId: bob.sessionId };
    expect((await app.post('/auth/logout-others', others, alice.accessToken)).status).toBe(400);
    expect(await live(bob)).toBe(true);
    expect((await app.get('/admin/events', alice.accessToken)).status).toBe(403);
  });

  it('A105: the session of another user is the same 404 as one that never was, and lives on', async () => {
    const [alice, bob] = [await app.login('alice'), await app.login('bob')];
    const gone = await app.login('alice');
    await app.post('/auth/logout', undefined, gone.accessToken);
    const bodies = new Set<string>();
    for (const id of [
      bob.sessionId,
      '0'.repeat(32),
      gone.sessionId,
      'nonsense',
      `${bob.sessionId}%00`,
      '%27%20OR%201',
    ]) {
      const { status, text } = await app.delete(`/sessions/${id}`, alice.accessToken);
      expect(status).toBe(404);
      bodies.add(text);
    }
    expect(bodies.size).toBe(1);
    expect(JSON.parse([...bodies][0]!)).toMatchObject({ errorCode: 'SESSION_NOT_FOUND' });
    expect(await live(bob)).toBe(true);
    const own = await app.login('alice');
    expect(await app.delete(`/sessions/${own.sessionId}`, alice.accessToken)).toMatchObject({ status: 204, text: '' });
    expect(await app.get('/me', own.accessToken)).toMatchObject({ body: { errorCode: 'SESSION_LOGGED_OUT' } });
  });

  it('A104, A35: only operators may use what is theirs, and nobody without a token', async () => {
    const alice = await app.login('alice');
    const routes = [
      ['GET', '/admin/online-users'],
      ['GET', '/admin/users/bob/sessions'],
      ['GET', '/admin/events'],
      ['DELETE', `/admin/sessions/${alice.sessionId}`],
      ['DELETE', '/admin/users/alice/sessions'],
      ['GET', `/admin/sessions/${alice.sessionId}/token-data`],
      ['POST', '/admin/users/alice/ban'],
      ['DELETE', '/admin/users/alice/ban'],
      ['GET', '/admin/users/alice/bans'],
      ['POST', '/admin/users/alice/impersonate'],
    ] as const;
    for (const [method, path] of routes) {
      expect(await app.send(method, path, { token: alice.accessToken })).toMatchObject({
        status: 403,
        headers: { 'www-authenticate': expect.stringContaining('error="insufficient_scope"') },
        body: { errorCode: 'FORBIDDEN' },
      });
      expect(await app.send(method, path)).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="users"' },
        body: { errorCode: 'TOKEN_MISSING' },
      });
    }
    expect(await live(alice)).toBe(true);
  });

  it('A40: no answer of all these shows anything of the inside, and no log a token or a failure', async () => {
    const { accessToken: token } = await app.login('alice');
    for (const path of [
      '/nowhere',
      '/sessions/%ff',
      "/sessions/'--",
      `/sessions/${'9'.repeat(3000)}`,
      '/..%2f..%2fetc',
    ]) {
      const { status } = await app.delete(path, token);
      expect([400, 404]).toContain(status);
    }
    expect(answers.length).toBeGreaterThan(150);
    expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
    for (const { text, status } of answers) if (status >= 400) expect(text).not.toMatch(INSIDE);
    expect(app.stderr).toBe('');
  });

  it('A11: no file that it keeps holds a token or a password', () => {
    const kept = ['sessions.sqlite', 'sessions.sqlite-wal'].map((name) =>
      readFileSync(join(app.directory, '.data', name), 'latin1'),
    );
    const tokens = answers
      .flatMap(({ body }) => [body?.accessToken, body?.refreshToken] as (string | undefined)[])
      .filter((token) => token);
    expect(tokens.length).toBeGreaterThan(20);
    for (const text of kept) {
      expect(tokens.filter((token) => text.includes(token!.slice(-40)))).toEqual([]);
      expect(text).not.toContain('alice-password');
    }
  });
});

describe('a login that is under way', () => {
  const apps = useSampleApps();

  it('A67: does not land after all sessions of the user were ended, if its password was looked at before', async () => {
    // So that the password takes far longer to check than a kick takes.
    const app = await apps.start({ SCRYPT_COST: '16' });
    const admin = await app.login('admin');
    let answered = false;
    const login = app.post('/auth/login', { username: 'alice', password: 'alice-password' }).finally(() => {
      answered = true;
    });
    while (!answered) await app.delete('/admin/users/alice/sessions', admin.accessToken);
    expect(await login).toMatchObject(refusal(401, 'SESSION_REVOKED'));
  });
});
