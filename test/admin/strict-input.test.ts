import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { adapters, useApp } from '../nest/http-app.js';
import { startAdminApp } from './admin-app.js';
import { registeredRoutes } from './admin-routes.js';

/** By field: a value that is good, and some that are not. */
type Fields = Readonly<Record<string, readonly [good: unknown, ...bad: readonly unknown[]]>>;

/** Days and times that do not exist, or not everywhere at once. */
const NO_TIMES = [
  ...'2026-02-30 2026-13-01 2026-00-10 2025-02-29T00:00:00Z 2026-01-01T24:00:00Z 2026-01-01T00:60:00Z'.split(' '),
  ...'2026-01-01T00:00:60Z 2026-01-01T00:00:00+24:00 2026-01-01T00:00:00 0026-01-01x 1960-01-01 -1 1e3 now'.split(' '),
  '9'.repeat(15),
];
const TIME = ['2999-02-28T23:59:59.5+01:00', ...NO_TIMES] as const;
const NO_TEXT = [['a', 'b'], 'x'.repeat(2000), 'a\0b'] as const;
const TEXT = ['a', '', ...NO_TEXT] as const;
const TEXT_OR_EMPTY = ['', ...NO_TEXT] as const;

const PAGE: Fields = { limit: [2, 0, 201, -1, 1.5, 'x', '', [1, 2]], cursor: ['', ['a', 'b'], 'a\0b'] };
const ONLINE: Fields = {
  q: TEXT_OR_EMPTY,
  userId: TEXT,
  ip: ['192.0.2.0/24', '', 'x', '192.0.2.0/33', ['192.0.2.1', '192.0.2.2']],
  deviceType: TEXT,
  loginMethod: TEXT,
  createdFrom: TIME,
  createdTo: TIME,
  seenFrom: TIME,
  seenTo: TIME,
};
const EVENTS: Fields = {
  userId: TEXT,
  sessionId: ['0'.repeat(32), '', 'x', '0'.repeat(31)],
  ip: ['192.0.2.1', '', '192.0.2.0/24'],
  type: ['LOGIN', '', 'login', 'LOGIN,LOGIN'],
  from: TIME,
  to: TIME,
};
const FORMAT: Fields = { format: ['ndjson', '', 'xml', 'CSV'] };
const REASON: Fields = { reason: TEXT_OR_EMPTY };

interface Row {
  readonly query?: Fields;
  readonly body?: Fields;
  readonly base?: { readonly query?: object; readonly body?: object };
}

const ROWS: Readonly<Record<string, Row>> = {
  'GET /operator': {},
  'GET /online-users': { query: { ...PAGE, ...ONLINE, sort: ['login', '', 'id'], groupBy: ['user', '', 'ip'] } },
  'GET /online-users/export': { query: { ...ONLINE, ...FORMAT } },
  'GET /ended-sessions': {
    query: { ...PAGE, userId: TEXT, reason: ['SESSION_KICKED', '', 'KICKED'], endedFrom: TIME, endedTo: TIME },
  },
  'GET /users/:userId': {},
  'GET /users/:userId/sessions': { query: { ...PAGE, ended: ['true', '', '1', 'yes', 'TRUE'] } },
  'GET /users/:userId/bans': {},
  'GET /events': { query: { ...PAGE, ...EVENTS } },
  'GET /events/export': { query: { ...EVENTS, ...FORMAT } },
  'GET /sightings': { base: { query: { ip: '192.0.2.1' } }, query: { ...PAGE, at: TIME, from: TIME, to: TIME } },
  'GET /failed-logins': { query: { hours: [24, 0, 169, 'x', ''], by: ['ip', '', 'address'] } },
  'GET /stats': { query: { range: ['30d', '', '7d'] } },
  'GET /live': {},
  'DELETE /sessions/:id': { query: REASON },
  'DELETE /users/:userId/sessions': { query: REASON },
  'POST /kick': {
    base: { body: { filter: { userId: 'nobody' } } },
    body: {
      ...REASON,
      pace: ['fast', '', 'furious', 1, true],
      dryRun: [true, 'true', 1, 'perhaps', ''],
      filter: [{ userId: 'nobody' }, 'all', [], true, {}],
    },
  },
  'POST /end-everything': {
    base: { body: { confirm: 'end everything', reason: 'breach' } },
    body: {
      reason: ['breach', '', null, 1, ...NO_TEXT],
      confirm: ['end everything', '', null, 'End everything', 'end', 'users', true, ['end everything']],
    },
  },
  'POST /users/:userId/ban': {
    body: {
      ...REASON,
      until: [Date.UTC(2999, 0), ...TIME.slice(1), -1, 1.5, true, 'x'],
      service: ['comment', '', 'a b', 1, true, {}],
      level: [2, '2', 0, 1.5, true],
    },
    base: { body: { service: 'comment' } },
  },
  'DELETE /users/:userId/ban': { query: { service: ['comment', '', 'a b', ['comment', 'post']] } },
  'POST /users/:userId/impersonate': { body: { ...REASON, for: ['5m', '', '5', 5, '13h', '5 m'] } },
};

const NAMED = /userI[dD]|filter|all|sessionI[dD]s|dry[rR]un|unknown|q /;
const routes = registeredRoutes().filter(({ right }) => right !== null);

it('has a row for every route', () => {
  expect(routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(Object.keys(ROWS).sort());
});

describe.each(adapters)('A12, A109: what the routes of operators do not understand, on $name', (kind) => {
  const server = useApp(() => startAdminApp(kind, { impersonate: async () => ({ claims: {} }) }));
  let token: string;
  let sessionId: string;

  beforeAll(async () => {
    token = await server.operator('view', 'viewAddresses', 'kick', 'endEverything', 'ban', 'impersonate', 'export');
  });

  beforeEach(async () => (sessionId = (await server.tokens.login('alice', { deviceType: 'phone' })).session.id));

  const ask = (method: string, path: string, query: object = {}, body?: object) => {
    const params = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) =>
        [value].flat().map((one) => [name, String(one)] as [string, string]),
      ),
    );
    return server.sendWith(token, {
      method,
      path: `/admin${path.replace(':id', sessionId).replace(':userId', 'alice')}?${params.toString()}`,
      ...(body && { body: JSON.stringify(body), lines: ['Content-Type: application/json'] }),
    });
  };
  const refused = (name: string) => ({
    status: 400,
    json: { errorCode: 'ARGUMENT_INVALID', message: expect.stringMatching(new RegExp(`^"?${name}"? `)) },
  });

  it.each(routes.map(({ method, path }) => ({ method, path })))('$method $path', async ({ method, path }) => {
    const { query = {}, body = {}, base = {} } = ROWS[`${method} ${path}`]!;
    const takesBody = method === 'POST';
    const baseBody = takesBody ? (base.body ?? {}) : undefined;
    for (const name of ['unknown', 'constructor', '__proto__']) {
      const unknown = JSON.parse(`{"${name}":"x"}`) as object;
      // The parser of Express leaves `__proto__` out of a query; it never arrives.
      if (name !== '__proto__' || kind.name !== 'Express') {
        expect(
          await ask(method, path, { ...base.query, ...Object.fromEntries(Object.entries(unknown)) }, baseBody),
        ).toMatchObject(refused(name));
      }
      if (method === 'GET') continue;
      const answer = await ask(
        method,
        path,
        base.query,
        Object.assign(Object.create(null) as object, base.body, { nothing: 1 }),
      );
      expect(answer).toMatchObject(refused('nothing'));
    }
    for (const [name, [, ...bad]] of Object.entries(query)) {
      for (const value of bad)
        expect(await ask(method, path, { ...base.query, [name]: value })).toMatchObject(refused(name));
    }
    for (const [name, [, ...bad]] of Object.entries(body)) {
      for (const value of bad) {
        const answer = await ask(method, path, {}, { ...base.body, [name]: value });
        if (answer.status !== 400) throw new Error(`${name} = ${JSON.stringify(value)} is answered ${answer.text}`);
        expect(answer.json.errorCode).toBe('ARGUMENT_INVALID');
      }
    }
    expect(await server.sessions.find(sessionId)).toMatchObject({ end: null });
    // The one does not end, and the other ends the operator's session too.
    if (path === '/live' || path === '/end-everything') return;
    for (const [source, fields] of [
      ['query', query],
      ['body', body],
    ] as const) {
      for (const [name, [good]] of Object.entries(fields)) {
        const more = { ...base[source], [name]: good };
        const answer = source === 'query' ? await ask(method, path, more, baseBody) : await ask(method, path, {}, more);
        if (answer.status >= 400) throw new Error(`${name} = ${JSON.stringify(good)} is answered ${answer.text}`);
      }
    }
  });

  it.each([
    { filter: { deviceType: 'phone', userID: 'alice' } },
    { filter: { deviceType: 'phone', userId: null } },
    { filter: { deviceType: 'phone', userId: '' } },
    { filter: { deviceType: 'phone', userId: ['alice'] } },
    { filter: { deviceType: 'phone', filter: { userId: 'alice' } } },
    { filter: { all: 'true' } },
    { filter: { all: 1 } },
    { filter: { all: true }, sessionIDs: ['0'.repeat(32)] },
    { filter: { deviceType: 'phone' }, dryrun: true },
    ...[{}, { filter: {} }, { filter: 'all' }, { filter: [] }, { filter: { all: true, userId: 'x' } }],
    ...[{ filter: { q: { $ne: 1 } } }, { filter: { unknown: 1 } }, { filter: { all: true }, dryRun: 'perhaps' }],
    ...[{ filter: { all: true }, sessionIds: [] }, { sessionIds: [] }, { sessionIds: 'x' }, { sessionIds: ['x'] }],
    { sessionIds: Array(1001).fill('0'.repeat(32)) },
  ])('A95: a kick of many ends nothing for %j', async (order) => {
    await server.tokens.login('bob', { deviceType: 'phone' });
    const before = await server.sessions.list('bob');
    expect(await ask('POST', '/kick', {}, order)).toMatchObject({
      status: 400,
      json: { errorCode: 'ARGUMENT_INVALID', message: expect.stringMatching(NAMED) },
    });
    expect(await server.sessions.list('bob')).toEqual(before);
  });

  it.each(routes.filter(({ method }) => method !== 'GET').map(({ method, path }) => ({ method, path })))(
    'a body that is not sent as JSON: $method $path',
    async ({ method, path }) => {
      const bans = await server.operators.bans('alice');
      for (const lines of [
        [],
        ['Content-Type: text/plain;charset=UTF-8'],
        ['Content-Type: application/merge-patch+json'],
      ]) {
        const answer = await server.sendWith(token, {
          method,
          path: `/admin${path.replace(':id', sessionId).replace(':userId', 'alice')}`,
          body: JSON.stringify({ service: 'comment', until: '2999-01-01' }),
          lines,
        });
        expect([400, 415]).toContain(answer.status);
      }
      expect(await server.sessions.find(sessionId)).toMatchObject({ end: null });
      expect(await server.operators.bans('alice')).toEqual(bans);
    },
  );

  it('a field of the body in the query, and the other way round', async () => {
    expect(await ask('POST', '/kick', { dryRun: true }, { filter: { deviceType: 'phone' } })).toMatchObject(
      refused('dryRun'),
    );
    expect(await ask('DELETE', '/users/bob/sessions', {}, { reason: 'x' })).toMatchObject(refused('reason'));
    expect((await server.sessions.list('bob')).length).toBeGreaterThan(0);
  });

  it('an error does not repeat a token that came as the name of a field', async () => {
    const answer = await ask('POST', '/kick', {}, { [token]: 1, filter: { all: true } });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain(token.slice(0, 20));
  });
});
