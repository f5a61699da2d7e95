import { beforeAll, describe, expect, it } from '@jest/globals';
import { SessionModule, multiDevice } from 'nestjs-latchkey';
import { SessionAdminModule, type SessionAdminOptions } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import { adapters, sessionOptions, startApp, useApp } from '../nest/http-app.js';
import { linesOf } from './admin-app.js';

const PAYLOAD = '<script>window.__xss = 1</script>';
const MINUTE = 60_000;

const refusal = (status: number, errorCode: string) => ({ status, json: { errorCode } });
const roles = (...names: string[]) => ({ claims: { roles: names } });

const options: SessionAdminOptions = {
  authorize: ({ claims }, right) => {
    const given = claims.roles as string[];
    return given.includes('admin') || (given.includes('viewer') && right === 'view');
  },
  describeUsers: async (ids) =>
    ids
      .filter((id) => id !== 'nobody')
      .map((userId) => ({ userId, username: `Name of ${userId}`, avatarUrl: 'javascript:alert(1)' })),
  requireFresh: '10m',
  impersonate: async (userId) => {
    if (userId === 'careless') return true as never;
    return userId === 'root' ? null : { claims: { as: userId } };
  },
  console: { login: '/auth/login', title: PAYLOAD },
};

describe.each(adapters)('the routes of operators, on $name', (kind) => {
  const clock = new ManualClock(Date.now());
  const server = useApp(() =>
    startApp(kind, {
      imports: [
        SessionModule.forRoot({ isGlobal: true, ...sessionOptions({ clock, policy: multiDevice({ max: Infinity }) }) }),
        SessionAdminModule.forRoot({ path: 'ops/sessions', ...options }),
      ],
    }),
  );
  let admin: string;
  let viewer: string;
  let user = 0;

  const freshOperators = async () => {
    admin = (await server.tokens.login('root', roles('admin'))).accessToken;
    viewer = (await server.tokens.login('viewer', roles('viewer'))).accessToken;
  };
  beforeAll(freshOperators);

  const get = (path: string, token = admin) => server.sendWith(token, { path: `/ops/sessions${path}` });
  const send = (method: string, path: string, body?: object, token = admin) =>
    server.sendWith(token, {
      method,
      path: `/ops/sessions${path}`,
      ...(body && { body: JSON.stringify(body), lines: ['Content-Type: application/json'] }),
    });
  const newUser = () => `user-${user++}`;

  const statementsOf = async (work: () => Promise<void>): Promise<readonly string[]> => {
    const { engine } = server.app.get(SessionRuntime, { strict: false }).database;
    const read = engine.read.bind(engine);
    const statements: string[] = [];
    engine.read = (statement, options) => {
      if (options.lane === 'work') statements.push(statement.render(() => '?'));
      return read(statement, options);
    };
    await work();
    engine.read = read;
    return statements;
  };

  it('A104, A110: are closed to whoever has no token, no right, or not the right for it', async () => {
    const { accessToken } = await server.tokens.login('alice', roles());
    const reads = ['/operator', '/online-users', '/events', '/stats', '/live', '/ended-sessions', '/users/alice'];
    for (const path of [...reads, '/online-users/export', '/events/export', '/sightings?ip=192.0.2.1']) {
      expect((await server.send({ path: `/ops/sessions${path}` })).status).toBe(401);
      expect(await get(path, accessToken)).toMatchObject(refusal(403, 'FORBIDDEN'));
    }
    const { session } = await server.tokens.login('bob', roles());
    const writes: [string, string, object?][] = [
      ['DELETE', `/sessions/${session.id}`],
      ['DELETE', '/users/bob/sessions'],
      ['POST', '/kick', { filter: { all: true } }],
      ['POST', '/end-everything', { confirm: 'end everything', reason: 'breach' }],
      ['POST', '/users/bob/ban', {}],
      ['DELETE', '/users/bob/ban'],
      ['POST', '/users/bob/impersonate', {}],
    ];
    for (const [method, path, body] of writes) {
      for (const token of [accessToken, viewer]) {
        expect(await send(method, path, body, token)).toMatchObject(refusal(403, 'FORBIDDEN'));
      }
    }
    expect((await server.sessions.list('bob')).length).toBe(1);
    expect((await get('/operator', viewer)).json.rights).toEqual({
      viewAddresses: false,
      kick: false,
      endEverything: false,
      ban: false,
      impersonate: false,
      export: false,
    });
  });

  it('A110: show addresses and user agents only to those who may see them, who alone may search by them', async () => {
    const name = newUser();
    await server.tokens.login(name, { ip: '203.0.113.77', userAgent: 'Agent 7' });
    const seen = async (token: string) => (await get(`/online-users?userId=${name}`, token)).json.items;
    expect(await seen(admin)).toEqual([expect.objectContaining({ ip: '203.0.113.77', userAgent: 'Agent 7' })]);
    expect(await seen(viewer)).toEqual([expect.objectContaining({ ip: null, userAgent: null, lastIp: null })]);
    expect((await get('/online-users?q=203.0.113.77')).json.total).toBe(1);
    expect((await get('/online-users?q=203.0.113.77', viewer)).json.total).toBe(0);
    for (const path of ['/online-users?ip=203.0.113.0/24', '/events?ip=203.0.113.77', '/failed-logins?by=ip']) {
      expect((await get(path)).status).toBe(200);
      expect((await get(path, viewer)).status).toBe(403);
    }
    const events = (token: string) => get(`/events?userId=${name}`, token);
    expect((await events(admin)).text).toContain('203.0.113.77');
    expect((await events(viewer)).text).not.toContain('203.0.113.77');
  });

  it('A102: give hostile text as JSON, with names of the application and no picture that is none', async () => {
    const login = { deviceName: PAYLOAD, userAgent: PAYLOAD, userName: PAYLOAD, ip: '192.0.2.66' };
    await server.tokens.login(PAYLOAD, login);
    const answer = await get(`/online-users?q=${encodeURIComponent(PAYLOAD)}`);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json.items).toEqual([
      expect.objectContaining({
        userId: PAYLOAD,
        deviceName: PAYLOAD,
        username: `Name of ${PAYLOAD}`,
        avatarUrl: null,
      }),
    ]);
  });

  it('A107: show ids that are no credentials', async () => {
    const name = newUser();
    const { session } = await server.tokens.login(name);
    expect((await get(`/online-users?userId=${name}`)).json.items).toEqual([
      expect.objectContaining({ sessionId: session.id, current: false }),
    ]);
    expect((await get('/operator', session.id)).status).toBe(401);
  });

  it('A108: change nothing for an operator who has not proved lately who they are', async () => {
    const name = newUser();
    await server.tokens.login(name);
    clock.advance(11 * MINUTE);
    expect(await send('DELETE', `/users/${name}/sessions`)).toMatchObject({
      status: 403,
      json: { errorCode: 'FRESH_LOGIN_REQUIRED', maxAge: 600 },
    });
    expect((await get('/online-users')).status).toBe(200);
    await freshOperators();
    expect((await send('DELETE', `/users/${name}/sessions`)).json).toEqual({ ended: 1 });
  });

  it('A111: note who ended what, and why', async () => {
    const name = newUser();
    const { session } = await server.tokens.login(name);
    expect((await send('DELETE', `/sessions/${session.id}?reason=Lost%20phone`)).json).toEqual({ ended: 1 });
    const { items } = (await get(`/events?sessionId=${session.id}&type=SESSION_ENDED`)).json;
    expect(items).toEqual([
      expect.objectContaining({ actor: 'root', reason: 'SESSION_KICKED', detail: { reason: 'Lost phone' } }),
    ]);
    expect((await get(`/ended-sessions?userId=${name}`)).json.items).toEqual([
      expect.objectContaining({
        sessionId: session.id,
        endReason: 'SESSION_KICKED',
        endedBy: 'root',
        endComment: 'Lost phone',
        replacedBy: null,
      }),
    ]);
  });

  it('show the words of each end where its session is shown: one, all, many and a ban', async () => {
    const name = newUser();
    const ends: readonly [string, (sessionId: string) => Promise<unknown>][] = [
      ['One', (id) => send('DELETE', `/sessions/${id}?reason=One`)],
      ['All', () => send('DELETE', `/users/${name}/sessions?reason=All`)],
      ['Some', (id) => send('POST', '/kick', { sessionIds: [id], reason: 'Some' })],
      ['Many', () => send('POST', '/kick', { filter: { userId: name }, reason: 'Many' })],
      ['Banned', () => send('POST', `/users/${name}/ban`, { reason: 'Banned' })],
    ];
    for (const [, end] of ends) {
      clock.advance(1000);
      await end((await server.tokens.login(name)).session.id);
    }
    const words = [...ends].reverse().map(([word]) => word);
    const past = (await get(`/users/${name}/sessions?ended=true`)).json.items as { endComment: string }[];
    expect(past.map(({ endComment }) => endComment)).toEqual(words);
    const events = (await get(`/events?userId=${name}&type=SESSION_ENDED`)).json.items as { detail: object }[];
    expect(events.map(({ detail }) => detail)).toEqual(words.map((reason) => ({ reason })));
  });

  it('count the sessions of a user as the list shows them, right after they ended', async () => {
    const name = newUser();
    for (let index = 0; index < 7; index++) await server.tokens.login(name);
    for (const round of [1, 2, 3]) expect([round, (await get(`/users/${name}`)).json.live]).toEqual([round, 7]);
    await send('POST', `/users/${name}/ban`, {});
    expect((await get(`/users/${name}`)).json).toMatchObject({ live: 0, bans: [{ service: null }] });
    expect((await get(`/users/${name}/sessions`)).json.items).toEqual([]);
  });

  it('end all that keep a filter: counted first, told of on the way, audited, and nobody else', async () => {
    const name = newUser();
    for (let index = 0; index < 250; index++) await server.tokens.login(name, { deviceType: 'bulk' });
    const other = await server.tokens.login(name, { deviceType: 'phone' });
    const order = { filter: { userId: name, deviceType: 'bulk' }, reason: 'Too many' };
    expect((await send('POST', '/kick', { ...order, dryRun: true })).json).toEqual({ matching: 250 });
    const answer = await send('POST', '/kick', order);
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
    expect(linesOf(answer.text)).toEqual([
      { matching: 250 },
      ...Array.from({ length: 25 }, (_, step) => ({ done: 10 * (step + 1), ended: 10 * (step + 1), pending: 0 })),
      { done: 250, ended: 250, pending: 0, finished: true },
    ]);
    expect((await server.sessions.list(name)).map(({ id }) => id)).toEqual([other.session.id]);
    const { items } = (await get('/events?type=BULK_KICK&limit=2')).json;
    const detail = { filter: { userId: name, deviceType: 'bulk' }, reason: 'Too many' };
    expect(items).toEqual([
      expect.objectContaining({
        actor: 'root',
        ended: 250,
        detail: { ...detail, state: 'done', done: 250, ended: 250, pending: 0 },
      }),
      expect.objectContaining({ actor: 'root', ended: null, detail: { ...detail, state: 'begun' } }),
    ]);
    expect((await get(`/events?userId=${name}&type=SESSION_ENDED&limit=200`)).json.nextCursor).not.toBeNull();
  });

  it('D32: end a selection, and leave the session of the operator alone, which is not counted either', async () => {
    const ofRoot = (await get('/online-users?userId=root')).json.items as { sessionId: string; current: boolean }[];
    const own = ofRoot.find(({ current }) => current)!.sessionId;
    const count = async (filter: object) => (await send('POST', '/kick', { filter, dryRun: true })).json.matching;
    const listed = async (filter = '') => Number((await get(`/online-users?${filter}`)).json.total);
    expect(await count({ userId: 'root' })).toBe((await listed('userId=root')) - 1);
    expect(await count({ all: true })).toBe((await listed()) - 1);
    await server.tokens.login('root', { deviceType: 'spare' });
    expect(await count({ userId: 'root', deviceType: 'spare' })).toBe(1);
    const { session } = await server.tokens.login(newUser());
    const answer = await send('POST', '/kick', { sessionIds: [own, session.id] });
    expect(linesOf(answer.text).at(-1)).toEqual({ done: 1, ended: 1, pending: 0, finished: true });
    expect((await get('/operator')).status).toBe(200);
  });

  it('ban, lift and impersonate, each with who did it, but not for a user whom the application does not know', async () => {
    const name = newUser();
    await server.tokens.login(name);
    expect((await send('POST', `/users/${name}/ban`, { reason: 'Spam' })).json).toEqual({ ended: 1 });
    expect((await get(`/users/${name}`)).json).toMatchObject({ live: 0, bans: [{ reason: 'Spam', by: 'root' }] });
    expect((await send('DELETE', `/users/${name}/ban`)).json).toEqual({ lifted: true });
    const given = (await send('POST', `/users/${name}/impersonate`, { reason: 'Ticket 7' })).json;
    expect(await server.tokens.verify(given.accessToken)).toMatchObject({
      status: 'VALID',
      session: { userId: name, impersonator: 'root', claims: { as: name } },
    });
    expect((await send('POST', '/users/root/impersonate', {})).status).toBe(403);
    expect(await send('POST', '/users/careless/impersonate', {})).toMatchObject(refusal(500, 'CONFIGURATION_INVALID'));
    for (const path of ['/users/nobody/ban', '/users/nobody/impersonate']) {
      expect(await send('POST', path, {})).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
  });

  it('A103: export lists in which no field is a formula', async () => {
    const name = newUser();
    await server.tokens.login(name, { deviceName: '=HYPERLINK("http://evil","x")', userAgent: ' +1, "quoted"' });
    const csv = await get(`/online-users/export?format=csv&userId=${name}`);
    expect(csv.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="online-users.csv"',
    });
    expect(csv.text).toContain(`"'=HYPERLINK(""http://evil"",""x"")"`);
    expect(csv.text).toContain(`"' +1, ""quoted"""`);
    const lines = await get(`/online-users/export?format=ndjson&userId=${name}`);
    expect(linesOf(lines.text)).toEqual([
      expect.objectContaining({ userId: name, deviceName: expect.stringMatching(/^=/) }),
    ]);
    expect((await get('/events/export?format=xml')).status).toBe(400);
    expect((await get('/events?type=EXPORTED&limit=1')).json.items).toEqual([
      expect.objectContaining({
        actor: 'root',
        detail: { list: 'online-users', format: 'ndjson', filter: { userId: name } },
      }),
    ]);
  });

  it('export lists of many pages without a count', async () => {
    const name = newUser();
    for (let index = 0; index < 450; index++) await server.tokens.login(name);
    const statements = await statementsOf(async () => {
      const lines = linesOf((await get('/online-users/export?format=ndjson')).text);
      const ids = lines.filter(({ userId }) => userId === name).map(({ sessionId }) => sessionId);
      expect(new Set(ids).size).toBe(450);
      expect(ids).toHaveLength(450);
    });
    expect(statements.filter((text) => /FROM "?latchkey_session"? s\s+WHERE/.test(text)).length).toBeGreaterThan(2);
    expect(statements.filter((text) => text.includes('COUNT('))).toEqual([]);
  });

  it('refuse to export for a filter that is none, before the export is on record', async () => {
    const last = (await get('/events?type=EXPORTED&limit=1')).json;
    expect(await get('/online-users/export?ip=1.2.3')).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    expect((await get('/events?type=EXPORTED&limit=1')).json).toEqual(last);
  });

  it('say who used an address, who failed to log in, and how many are online', async () => {
    const stats = (await get('/stats')).json as { online: { sessions: number }; series: unknown[] };
    expect(stats.online.sessions).toBeGreaterThan(0);
    expect(stats.series).toHaveLength(24);
    expect(((await get('/stats?range=30d')).json.series as unknown[]).length).toBe(30);
    expect((await get('/failed-logins?by=user&hours=1')).json).toEqual({ items: [] });
    expect((await get('/failed-logins?hours=1000')).status).toBe(400);
    expect((await get('/sightings')).status).toBe(400);
    expect((await get('/sightings?ip=203.0.113.77&userId=x')).status).toBe(400);
    expect((await get('/sightings?ip=2001:db8::/32')).json).toMatchObject({ items: [], nextCursor: null });
    const { session } = await server.tokens.login('nobody', { userName: 'Nobody known', ip: '203.0.113.78' });
    await server.app.get(SessionRuntime, { strict: false }).journal.flush();
    expect((await get('/sightings?ip=203.0.113.78')).json.items).toEqual([
      expect.objectContaining({ sessionId: session.id, userId: 'nobody', username: 'Nobody known' }),
    ]);
  });

  it('A112: have a page that loads nothing but its own script and style, and holds no data', async () => {
    const page = await server.send({ path: '/ops/sessions' });
    expect(page.status).toBe(200);
    const csp = page.headers['content-security-policy']!;
    expect(csp).not.toContain('unsafe-');
    expect(csp).toContain("default-src 'none'");
    expect(csp).toContain("frame-ancestors 'none'");
    expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(page.text).not.toContain(PAYLOAD);
    expect(page.text).toContain('src="./sessions/assets/console.js"');
    for (const [file, type] of [
      ['console.js', 'text/javascript'],
      ['console.css', 'text/css'],
    ] as const) {
      const asset = await server.send({ path: `/ops/sessions/assets/${file}` });
      expect([asset.status, asset.headers['content-type']]).toEqual([200, `${type}; charset=utf-8`]);
      const again = await server.send({
        path: `/ops/sessions/assets/${file}`,
        lines: [`If-None-Match: ${asset.headers.etag}`],
      });
      expect([again.status, again.text]).toEqual([304, '']);
    }
    for (const name of ['x', '__proto__', '..%2fconsole.js', 'constructor']) {
      expect((await server.send({ path: `/ops/sessions/assets/${name}` })).status).toBe(404);
    }
  });
});

describe('SessionAdminModule', () => {
  it.each([
    [{}, /"authorize" or "guards" is required/],
    [{ guards: [] }, /"authorize" or "guards" is required/],
    [{ authorize: () => true, console: { login: 'https://elsewhere/login' } }, /"console.login" must be a path/],
  ])('A104: does not start with %j', async (given, message) => {
    await expect(
      startApp(adapters[0]!, {
        imports: [
          SessionModule.forRoot({ isGlobal: true, ...sessionOptions() }),
          SessionAdminModule.forRoot(given as never),
        ],
      }),
    ).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID', message: expect.stringMatching(message) });
  });

  it.each(adapters)('answers without a console as where there is no route, on $name', async (kind) => {
    const warnings: unknown[] = [];
    const ignore = () => undefined;
    const logger = { log: ignore, error: ignore, warn: (message: unknown) => void warnings.push(message) };
    const imports = [
      SessionModule.forRoot({ isGlobal: true, ...sessionOptions() }),
      SessionAdminModule.forRoot({ authorize: () => true }),
    ];
    const server = await startApp(kind, { imports }, { logger });
    const { status, headers } = await server.send({ path: '/admin' });
    await server.close();
    expect([status, headers['content-type'], warnings]).toEqual([404, 'application/json; charset=utf-8', []]);
  });

  it.each(['/admin', 'admin/', '', 'a b', 'a/../b', ':id', 5])('refuses the path %j', (path) => {
    expect(() => SessionAdminModule.forRoot({ path: path as string, authorize: () => true })).toThrow(/path/);
  });
});
