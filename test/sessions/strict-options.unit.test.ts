import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  OperatorService,
  SessionService,
  TokenService,
  accessAndRefresh,
  fixed,
  multiDevice,
  oneDevicePerType,
  sliding,
} from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { createSessionClient } from 'nestjs-latchkey/client';
import { jwt, verifyOffline } from 'nestjs-latchkey/jwt';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { redis } from 'nestjs-latchkey/redis';
import { resolveAdminOptions } from 'lib/admin-options.js';
import { resolveOptions } from 'lib/resolve-options.js';
import { SessionModuleOptions } from 'lib/session-options.js';
import { sqliteOptions } from '../support/databases.js';
import { SECRET, type Sessions, startSessions } from '../support/sessions.js';

type Options = Readonly<Record<string, unknown>>;

const parse = (text: string) => JSON.parse(text) as unknown;

type Fields = Readonly<Record<string, readonly unknown[]>>;

interface Row {
  readonly call: (options: never) => unknown;
  readonly fields: Fields;
  /** What must be there. */
  readonly base?: Options;
}

let node: Sessions;
let online: OnlineUsersService;
let sessionId: string;

beforeAll(async () => {
  node = await startSessions({ database: sqliteOptions(':memory:'), policy: multiDevice() }, [OnlineUsersService]);
  online = node.context.get(OnlineUsersService, { strict: false });
  sessionId = (await node.tokens.login('alice')).session.id;
});

afterAll(() => node.close());

const NO_TEXT = [1, true, {}, ['a'], 'a\0b', 'x'.repeat(2000)];
const NO_METHODS = [
  ...[
    null,
    'pwd',
    {},
    { length: 1, 0: 'pwd' },
    [],
    [''],
    [1],
    ['pwd', null],
    [['pwd']],
    Array(3),
    Array(9).fill('pwd'),
  ],
  ...['a b', 'a,b', 'a"b', 'a\\b', 'pwd\n', 'a\0', 'é', '\ud800', '__proto__ ', 'x'.repeat(33)].map((one) => [
    'pwd',
    one,
  ]),
];
const NO_NAME = ['x'.repeat(129), '\u001b[31m', 'a\u2028b', '\ud800', ...NO_TEXT];
const NO_ADDRESS = [1, true, {}, ['192.0.2.1']];
const NO_FLAG = ['true', 1, null, {}];
const NO_TIME = ['2999-01-01', -1, 1.5, NaN, true, {}];
const NO_DURATION = ['8', 8, '8 h', '', true, {}];
const NO_ACTOR = [undefined, '', 1, {}, 'x'.repeat(1025)];
const NO_CLAIMS = [
  ...[null, 1, 'x', [], { a: () => 1 }, { n: 1n }, { big: 'x'.repeat(5000) }],
  ...['{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{"admin":true}}}', '{"prototype":1}'].map(parse),
  parse('{"profile":[{"__proto__":{"admin":true}}]}'),
];
const WHO: Fields = {
  userName: NO_TEXT,
  deviceType: ['a b', 'x'.repeat(33), ...NO_TEXT],
  deviceName: NO_NAME,
  ip: NO_ADDRESS,
  userAgent: [1, true, {}, ['a']],
  claims: NO_CLAIMS,
};
const BY = { by: 'root' };
const PAGE: Fields = { limit: ['5', 0, -1, 201, 1e9, NaN, 1.5, true], cursor: [1, {}, true] };
const CRITERIA: Fields = {
  q: [{ $ne: 1 }, ...NO_TEXT],
  addresses: NO_FLAG,
  userId: [null, '', 1.5, {}, true],
  ip: ['x', '192.0.2.0/33', ...NO_ADDRESS],
  deviceType: NO_TEXT,
  loginMethod: NO_TEXT,
  createdFrom: NO_TIME,
  createdTo: NO_TIME,
  seenFrom: NO_TIME,
  seenTo: NO_TIME,
};

const KICK = { base: BY, fields: { by: NO_ACTOR, comment: NO_TEXT } };
const WITHOUT_OPTIONS = [
  ...'accountData bans beginLogin data end endAll endOthers explainEnd'.split(' '),
  ...'find introspect list now readLimitTicket updateClaims verifyInMemory watch'.split(' '),
];

/** Every method of the services: what it takes as options, or null where it takes none. */
const SERVICES: Readonly<Record<string, Row | null>> = {
  login: {
    call: (options) => node.tokens.login('bob', options),
    fields: {
      ...WHO,
      loginMethod: ['a b', ...NO_TEXT],
      amr: NO_METHODS,
      deviceId: ['a\nb', ...NO_NAME],
      persistent: [1, 'true', null],
      life: [
        null,
        '1h',
        [],
        { maxage: '1h' },
        { maxAge: 1 },
        { maxAge: '91d' },
        { idleTimeout: '0s' },
        { refresh: '1h' },
      ],
      authenticatedAt: NO_TIME,
      makeRoom: [null, 'oldest', {}, { choice: 'x' }, { choice: 1, end: 'oldest' }, { choice: 'x', end: ['x'] }],
      ticket: [1, '', 'x', null],
      presentedToken: [1, true, {}, ['x']],
    },
  },
  impersonate: {
    call: (options) => node.operators.impersonate('bob', options),
    base: BY,
    fields: { ...WHO, by: NO_ACTOR, comment: ['x'.repeat(256), ...NO_TEXT], for: ['13h', ...NO_DURATION] },
  },
  recordFailedLogin: {
    call: (options) => node.tokens.recordFailedLogin('bob', options),
    fields: { ip: NO_ADDRESS, reason: ['OTHER', 1, null], deviceType: [1, {}], deviceName: [1, {}] },
  },
  verify: {
    call: (use) => node.tokens.verify('x', use),
    fields: { ip: NO_ADDRESS, strict: NO_FLAG, activity: NO_FLAG },
  },
  recordUse: {
    call: (options) => node.tokens.recordUse(sessionId, null, options),
    fields: { activity: NO_FLAG },
  },
  refresh: { call: (use) => node.tokens.refresh('x', use), fields: { ip: NO_ADDRESS, activity: NO_FLAG } },
  logout: { call: (use) => node.tokens.logout('x', use), fields: { ip: NO_ADDRESS } },
  reauthenticate: {
    call: (use) => node.sessions.reauthenticate(sessionId, use),
    fields: { ip: NO_ADDRESS, amr: NO_METHODS },
  },
  ban: {
    call: (options) => node.operators.ban('bob', options),
    base: BY,
    fields: {
      service: ['', 'a b', 1, {}, ['comment'], 'x'.repeat(65)],
      level: ['1', 0, 1.5, null],
      comment: ['x'.repeat(256), ...NO_TEXT],
      until: ['tomorrow', '2999-01-01', NaN, -1, new Date(NaN), {}],
      by: NO_ACTOR,
      endSessions: NO_FLAG,
    },
  },
  liftBan: {
    call: (options) => node.operators.liftBan('bob', options),
    base: BY,
    fields: { service: ['', 'a b', 1, {}], by: NO_ACTOR },
  },
  revokeSessions: {
    call: (options) => node.tokens.revokeSessions('bob', options),
    fields: { except: [null, '', 'x', 1], by: NO_ACTOR.slice(1) },
  },
  updateUserClaims: {
    call: (options) => node.sessions.updateUserClaims('bob', { roles: [] }, options),
    fields: { by: NO_ACTOR.slice(1), comment: ['x'.repeat(256), ...NO_TEXT], endInstead: NO_FLAG },
  },
  kick: { call: (options) => node.operators.kick(sessionId, options), ...KICK },
  kickMany: { call: (options) => node.operators.kickMany([sessionId], options), ...KICK },
  endEverything: { call: (options) => node.operators.endEverything(options), ...KICK },
  kickUser: { call: (options) => node.operators.kickUser('alice', options), ...KICK },
  ...Object.fromEntries(WITHOUT_OPTIONS.map((name) => [name, null])),
};

const ONLINE_USERS: Readonly<Record<string, Row | null>> = {
  list: {
    call: (query) => online.list(query),
    fields: { ...PAGE, ...CRITERIA, sort: ['last_seen_at; DROP TABLE latchkey_session', ['login'], 1, null] },
  },
  pages: { call: (query) => online.pages(query), fields: { ...CRITERIA, limit: PAGE.limit! } },
  count: { call: (criteria) => online.count(criteria), fields: CRITERIA },
  listUsers: {
    call: (query) => online.listUsers(query),
    fields: { ...PAGE, q: NO_TEXT, addresses: NO_FLAG, userId: CRITERIA.userId! },
  },
  userSessions: { call: (query) => online.userSessions('alice', query), fields: { ...PAGE, ended: NO_FLAG } },
  endedSessions: {
    call: (query) => online.endedSessions(query),
    fields: { ...PAGE, userId: CRITERIA.userId!, reason: ['KICKED', 1], endedFrom: NO_TIME, endedTo: NO_TIME },
  },
  events: {
    call: (query) => online.events(query),
    fields: {
      ...PAGE,
      userId: CRITERIA.userId!,
      sessionId: ['x', 1],
      ip: NO_ADDRESS,
      type: NO_TEXT,
      from: NO_TIME,
      to: NO_TIME,
    },
  },
};

const key = generateKeyPairSync('ed25519').privateKey;
const JWT = { keys: [{ kid: 'one', privateKey: key }], issuer: 'us', audience: 'them' };
const LIFE: Fields = { grace: NO_DURATION, graceFrom: ['use', 1], maxAge: NO_DURATION };
const REFRESH: Fields = { ...LIFE, access: NO_DURATION, refresh: NO_DURATION };

/** What is read at boot. */
const OPTIONS: Readonly<Record<string, Row>> = {
  fixed: { call: (options) => fixed(options), fields: { ttl: NO_DURATION, maxAge: NO_DURATION } },
  sliding: { call: (options) => sliding(options), fields: { ...LIFE, ttl: NO_DURATION, renewWithin: NO_DURATION } },
  accessAndRefresh: { call: (options) => accessAndRefresh(options), fields: REFRESH },
  jwt: {
    call: (options) => jwt(options),
    base: JWT,
    fields: {
      ...REFRESH,
      algorithm: ['none', 'RS256', 1],
      keys: [[], 'x', [{}]],
      issuer: ['', 1],
      audience: ['', 1, []],
    },
  },
  'jwt.keys': {
    call: (one) => jwt({ ...JWT, keys: [one] }),
    base: JWT.keys[0]!,
    fields: { kid: [undefined, '', 'a b', 1], privateKey: [1, 'x', {}], publicKey: [], secret: [] },
  },
  multiDevice: {
    call: (options) => multiDevice(options),
    fields: { max: ['5', 0, 1.5, 1001], overflow: ['evict', 1] },
  },
  oneDevicePerType: {
    call: (options) => oneDevicePerType(options),
    fields: {
      types: [
        'phone',
        [1],
        ['A B'],
        {},
        { m: [] },
        { m: 'phone' },
        { 'A B': ['phone'] },
        { other: ['tv'] },
        { a: ['tv'], b: ['tv'] },
      ],
    },
  },
  SessionModule: {
    call: (options) => resolveOptions(options),
    base: { secret: SECRET },
    // The values of the others: nest/options.unit.
    fields: {
      ...Object.fromEntries(Object.keys(new SessionModuleOptions()).map((name) => [name, []])),
      sightings: NO_FLAG,
      allowLongerLife: NO_FLAG,
      retention: ['90d', null, { events: 5 }, { event: '5d' }],
      redis: ['redis://127.0.0.1', {}],
      graphql: [true, {}, 'req'],
      nearCache: [{ maxEntries: 5, ttl: '5m' }],
      clock: [Date, {}, 5],
    },
  },
  SessionAdminModule: {
    call: (options) => resolveAdminOptions(options),
    base: { authorize: () => true },
    fields: {
      authorize: [true, 'admin'],
      guards: [{}, ['x']],
      describeUsers: [{}, true],
      requireFresh: NO_DURATION,
      impersonate: [true],
      console: [true, {}, { login: '/login', logn: '/x' }, { login: '/login', title: 5 }],
    },
  },
  redis: {
    call: (use) => redis({ lazyConnect: true }, use),
    fields: { prefix: ['', 'a b', 1], timeout: NO_DURATION },
  },
  sessionMetrics: { call: (options) => sessionMetrics(options), fields: {} },
};

/** What a call comes to, however it fails. */
async function outcome(call: () => unknown): Promise<{ readonly code?: string; readonly message?: string } | null> {
  try {
    await call();
    return null;
  } catch (error) {
    return error as { code?: string; message?: string };
  }
}

/** Unknown fields are named with those that there are; wrong values are named; what is no object is refused. */
async function check({ call, fields, base = {} }: Row, code: string): Promise<void> {
  const make = (options: unknown) => outcome(() => call(options as never));
  for (const name of ['maxAgee', 'constructor', '__proto__']) {
    const error = await make({ ...base, ...(JSON.parse(`{"${name}":"8h"}`) as object) });
    expect(error).toMatchObject({ code, message: expect.stringMatching(new RegExp(`${name}"? is unknown; `)) });
    for (const known of Object.keys(fields)) expect(error!.message).toContain(known);
  }
  expect(await make({ ...base, unknown: undefined })).toMatchObject({ code });
  for (const value of [null, 5, 'x', [], true]) {
    if ((await make(value))?.code !== code) throw new Error(`${JSON.stringify(value)} is taken for options`);
  }
  for (const [name, bad] of Object.entries(fields)) {
    for (const value of bad) {
      const error = await make({ ...base, [name]: value });
      if (error?.code !== code)
        throw new Error(`${name}: ${JSON.stringify(value) ?? 'undefined'} came to ${error?.message ?? 'nothing'}`);
      expect(error.message).toContain(name);
    }
  }
}

const methodsOf = (type: { readonly prototype: object }): readonly string[] => {
  const names: string[] = [];
  for (let owner = type.prototype; owner !== Object.prototype; owner = Object.getPrototypeOf(owner) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (typeof value === 'function' && name !== 'constructor') names.push(name);
    }
  }
  return names;
};

describe('A12: what is not understood', () => {
  it('has a row for every method', () => {
    // Private ones; the compiler does not let a method be missing that is not.
    const inner = ['account', 'endAllBut', 'notePresented', 'read', 'sessions', 'view'];
    const rowsOfAll = (types: Parameters<typeof methodsOf>[0][]) =>
      [...new Set(types.flatMap(methodsOf))].filter((name) => !inner.includes(name)).sort();
    expect(rowsOfAll([TokenService, SessionService, OperatorService])).toEqual(Object.keys(SERVICES).sort());
    expect(rowsOfAll([OnlineUsersService])).toEqual(Object.keys(ONLINE_USERS).sort());
  });

  const rowsOf = (table: Readonly<Record<string, Row | null>>) =>
    Object.entries(table).flatMap(([name, row]) => (row ? [{ name, row }] : []));

  it.each(rowsOf(SERVICES))('A95, A97, A101: by the method $name is refused by name', ({ row }) =>
    check(row, 'ARGUMENT_INVALID'),
  );

  it.each(rowsOf(ONLINE_USERS))('A94, A95, A109: by OnlineUsersService.$name is refused by name', ({ row }) =>
    check(row, 'ARGUMENT_INVALID'),
  );

  it.each(rowsOf(OPTIONS))('by $name is refused by name', ({ row }) => check(row, 'CONFIGURATION_INVALID'));

  it('by verifyOffline is refused by name', () =>
    check(
      {
        call: (options) => verifyOffline('x', options),
        base: { keys: { keys: [] }, issuer: 'us', audience: 'them' },
        fields: {
          keys: [undefined, 1, 'ftp://x', 'file:///etc/keys.json', Buffer.alloc(5), { keys: [7] }],
          issuer: [undefined, '', 1],
          audience: ['', 1, ['api']],
          clockTolerance: ['5', -1, 301, NaN],
        },
      },
      'ARGUMENT_INVALID',
    ));

  it('by the client of a browser is refused by name', () => {
    expect(() => createSessionClient({ baseUrl: 'https://x.example', refreshURL: '/x' } as never)).toThrow(
      /"refreshURL".*refreshUrl/,
    );
  });

  it('says what there is for a field that is nearly right, and changes nothing', async () => {
    const login = node.tokens.login('carol', { maxAge: '8h' } as never);
    await expect(login).rejects.toMatchObject({
      code: 'ARGUMENT_INVALID',
      message:
        'maxAge is unknown; allowed: amr, authenticatedAt, claims, deviceId, deviceName, deviceType, ip, life, ' +
        'loginMethod, makeRoom, persistent, presentedToken, ticket, userAgent, userName.',
    });
    for (const user of ['bob', 'carol']) expect(await node.sessions.list(user)).toEqual([]);
    expect(Object.prototype).not.toHaveProperty('admin');
    const suspension = { by: 'root', service: 'comment', endSessions: true } as const;
    await expect(node.operators.ban('bob', suspension as never)).rejects.toThrow(/endSessions/);
    expect(await node.operators.bans('bob')).toEqual([]);
    expect(() => node.sessions.data('1')).toThrow(/^sessionId/);
    expect(() => node.sessions.accountData('')).toThrow(/^userId/);
    expect(await node.sessions.find(sessionId)).toMatchObject({ end: null });
    expect(() => node.tokens.recordUse(sessionId, 5 as never)).toThrow(
      expect.objectContaining({ code: 'ARGUMENT_INVALID' }),
    );
  });

  it('is told apart from what an object inherits', async () => {
    class WithMethods {
      readonly deviceType = 'phone';
      describe() {
        return this.deviceType;
      }
    }
    expect((await node.tokens.login('dave', new WithMethods())).session.deviceType).toBe('phone');
  });
});
