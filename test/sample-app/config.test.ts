import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, bearer, both, cookies, sliding } from 'nestjs-latchkey';
import { AppModule } from '../../sample-app/app.module.js';
import { ConfigError } from '../../sample-app/config/config-error.js';
import { readConfig } from '../../sample-app/config/read-config.js';
import { inVariables } from '../../sample-app/config/variable-names.js';
import { createApplication } from '../../sample-app/http/create-application.js';
import { sessionOptions } from '../../sample-app/session-options.js';
import { startProblem } from '../../sample-app/start-problem.js';
import { serverUrl } from '../support/servers.js';
import { SampleApps } from './sample-app.js';

const SECRET = 'x'.repeat(32);
const pem = ({ privateKey }: { privateKey: KeyObject }) =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const ED25519 = pem(generateKeyPairSync('ed25519'));
const OTHER_ED25519 = pem(generateKeyPairSync('ed25519'));
const RSA = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const PUBLIC = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();

describe('the environment', () => {
  it('may be empty', () => {
    expect(readConfig({ PORT: '', REDIS_URL: ' ' })).toEqual({
      host: '127.0.0.1',
      port: 3000,
      database: { kind: 'file', path: '.data/sessions.sqlite' },
      redisUrl: null,
      sessionSecrets: null,
      policy: { kind: 'single' },
      tokens: { mode: 'refresh', access: '30m', refresh: '30d', grace: '30s', maxAge: '90d' },
      transport: { kind: 'bearer', trustedOrigins: [] },
      idleTimeout: false,
      onReplace: 'clear',
      outageGrace: '15s',
      nearCache: 'auto',
      httpAdapter: 'express',
      seedUsers: 0,
      scryptCost: 14,
    });
  });

  const server = (type: string, url: string): [object, object] => [
    { DATABASE_URL: url },
    { database: { kind: 'server', type, url } },
  ];

  it.each<[given: object, read: object]>([
    [
      { HOST: '0.0.0.0', PORT: '0' },
      { host: '0.0.0.0', port: 0 },
    ],
    [{ DATABASE_URL: 'sqlite::memory:' }, { database: { kind: 'memory' } }],
    [{ DATABASE_URL: 'sqlite:/var/lib/x.db' }, { database: { kind: 'file', path: '/var/lib/x.db' } }],
    server('postgres', 'postgres://u:p@h/d'),
    server('postgres', 'postgresql://h/d'),
    server('mysql', 'mysql://h:1/d'),
    server('mariadb', 'mariadb://h/d'),
    [{ REDIS_URL: ' redis://h:1 ' }, { redisUrl: 'redis://h:1' }],
    [{ SESSION_SECRET: `${SECRET}1, ${SECRET}2` }, { sessionSecrets: [`${SECRET}1`, `${SECRET}2`] }],
    [{ SESSION_POLICY: 'multi' }, { policy: { kind: 'multi', overflow: 'evict-oldest' } }],
    [
      { SESSION_POLICY: 'multi:1000', SESSION_OVERFLOW: 'reject' },
      { policy: { kind: 'multi', max: 1000, overflow: 'reject' } },
    ],
    [{ SESSION_POLICY: 'per-device-type' }, { policy: { kind: 'per-device-type' } }],
    [
      { SESSION_POLICY: 'per-device-type+multi:3' },
      { policy: { kind: 'per-device-type+multi', max: 3, overflow: 'evict-oldest' } },
    ],
    [
      { SESSION_POLICY: 'types:mobile=phone+tablet, desk=laptop' },
      { policy: { kind: 'types', types: { mobile: ['phone', 'tablet'], desk: ['laptop'] } } },
    ],
    [
      { ACCESS_TTL: '45m', REFRESH_TTL: '2d', MAX_AGE: '3d', TOKEN_GRACE: '0s', OUTAGE_GRACE: '5m' },
      { tokens: { mode: 'refresh', access: '45m', refresh: '2d', grace: '0s', maxAge: '3d' }, outageGrace: '5m' },
    ],
    [
      { TOKEN_MODE: 'sliding' },
      { tokens: { mode: 'sliding', ttl: '2h', renewWithin: '5m', grace: '30s', maxAge: '90d' } },
    ],
    [
      { TOKEN_MODE: 'sliding', ACCESS_TTL: '1h', RENEW_WITHIN: '20m', TOKEN_GRACE: '1m' },
      { tokens: { mode: 'sliding', ttl: '1h', renewWithin: '20m', grace: '1m', maxAge: '90d' } },
    ],
    // Defaults make way for what is set.
    [{ ACCESS_TTL: '10s' }, { tokens: { access: '10s', grace: '10s' } }],
    [{ ACCESS_TTL: '60d' }, { tokens: { access: '60d', refresh: '60d' } }],
    [{ TOKEN_MODE: 'sliding', ACCESS_TTL: '8s' }, { tokens: { ttl: '8s', renewWithin: '4000ms', grace: '8s' } }],
    [{ TOKEN_MODE: 'jwt' }, { tokens: { mode: 'jwt', privateKeys: null, access: '30m', refresh: '30d' } }],
    [{ TOKEN_MODE: 'jwt', JWT_PRIVATE_KEY: ED25519 }, { tokens: { privateKeys: [ED25519.trim()] } }],
    [
      { TOKEN_MODE: 'jwt', JWT_PRIVATE_KEY: ED25519.replaceAll('\n', '\\n') + OTHER_ED25519 },
      { tokens: { privateKeys: [ED25519.trim(), OTHER_ED25519.trim()] } },
    ],
    [
      { TOKEN_TRANSPORT: 'cookie', TRUSTED_ORIGINS: ' https://a.example,, https://b.example:8443 ' },
      { transport: { kind: 'cookie', trustedOrigins: ['https://a.example', 'https://b.example:8443'] } },
    ],
    [{ TOKEN_TRANSPORT: 'both' }, { transport: { kind: 'both', trustedOrigins: [] } }],
    [
      { IDLE_TIMEOUT: '30m', ON_REPLACE: 'keep' },
      { idleTimeout: '30m', onReplace: 'keep' },
    ],
    [
      { NEAR_CACHE: 'off', HTTP_ADAPTER: 'fastify' },
      { nearCache: 'off', httpAdapter: 'fastify' },
    ],
    [
      { SEED_USERS: '1000', SCRYPT_COST: '4' },
      { seedUsers: 1000, scryptCost: 4 },
    ],
    [
      { IDLE_TIMEOUT: 'off', ON_REPLACE: 'clear' },
      { idleTimeout: false, onReplace: 'clear' },
    ],
  ])('%j is read', (given, read) => {
    const config = readConfig(given as Record<string, string>);
    expect(config).toMatchObject(read);
    expect(Object.isFrozen(config) && Object.isFrozen(config.tokens)).toBe(true);
  });

  it.each([
    ['PORT', 'http', '65536', '-1', '1.5', '0x10', 'NaN'],
    ['DATABASE_URL', 'sqlite:', 'sqlite', 'redis://h', 'postgres://', 'file.db', 'http://h/d'],
    [
      'SESSION_SECRET',
      'short',
      `${SECRET},`,
      `${SECRET},short`,
      `${SECRET},${SECRET}`,
      `${SECRET}1,${SECRET}2,${SECRET}3,${SECRET}4,${SECRET}5`,
    ],
    ['SESSION_POLICY', 'double', 'multi:', 'multi:0', 'multi:1001', 'multi:-1', 'multi:2.5', 'multi:x', 'Single'],
    [
      'SESSION_POLICY',
      'per-device-type+multi',
      'per-device-type+multi:0',
      'multi+per-device-type:3',
      'types',
      'types:',
    ],
    ['SESSION_POLICY', 'types:a', 'types:a=', 'types:a=x,', 'types:A=x', 'types:a=x+', 'types:a=x+x', 'types:other=x'],
    ['SESSION_POLICY', 'types:a=x,a=y', 'types:a=x,b=x', `types:a=${'x'.repeat(33)}`, 'types:__proto__=X'],
    ['SESSION_OVERFLOW', 'evict', 'evict-newest'],
    ['ACCESS_TTL', '30', '0s', '-5m', '1w', '5 m', '1e3s', '99999999d', 'm'],
    ['MAX_AGE', '30', '0d', 'never'],
    ['OUTAGE_GRACE', '15', '0ms'],
    ['NEAR_CACHE', 'on', 'true'],
    ['HTTP_ADAPTER', 'koa', 'constructor'],
    ['SEED_USERS', '-1', 'many', '1e3', '1000001'],
    ['SCRYPT_COST', '0', '21', '14.5', 'high'],
    ['TOKEN_MODE', 'fixed', 'JWT', 'toString'],
    ['TOKEN_TRANSPORT', 'cookies', 'header', 'Both'],
    ['REFRESH_TTL', '30', '0s', 'forever'],
    ['RENEW_WITHIN', '5', '0s', '-5m'],
    ['TOKEN_GRACE', '30', '-1s', 'off'],
    ['IDLE_TIMEOUT', '30', '0s', '999ms', 'never'],
    ['ON_REPLACE', 'both', 'Keep'],
    ['JWT_PRIVATE_KEY', 'hunter2', RSA, PUBLIC, ED25519 + ED25519, `${ED25519}x`, ED25519.slice(0, 60)],
  ])('a bad %s is refused by name', (name, ...values) => {
    for (const value of values) {
      expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
      expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name} must be`));
    }
  });

  it.each([
    ['IDLE_TIMEOUT', 'OFF', 'off, or a duration of 1s or more with a unit'],
    [
      'SESSION_POLICY',
      'Single',
      'single, multi, multi:N with N from 1 to 1000, per-device-type, per-device-type+multi:N, or types:',
    ],
    ['SESSION_OVERFLOW', 'Reject', 'evict-oldest, evict-least-active or reject'],
    ['TOKEN_MODE', 'JWT', 'refresh, sliding or jwt'],
    ['TOKEN_TRANSPORT', 'Cookie', 'bearer, cookie or both'],
    ['ON_REPLACE', 'KEEP', 'clear or keep'],
    ['NEAR_CACHE', 'Off', 'auto or off'],
    ['HTTP_ADAPTER', 'Express', 'express or fastify'],
    ['DATABASE_URL', 'SQLITE::MEMORY:', 'sqlite::memory:, sqlite:PATH'],
  ])('%s=%s is refused with the words that are allowed', (name, value, words) => {
    expect(() => readConfig({ SESSION_POLICY: 'multi:2', [name]: value })).toThrow(`${name} must be ${words}`);
  });

  it('must have a secret in production, and no message ever repeats a secret or a URL', () => {
    for (const NODE_ENV of ['production', 'Production']) {
      expect(() => readConfig({ NODE_ENV })).toThrow(/^SESSION_SECRET must be set/);
    }
    expect(readConfig({ NODE_ENV: 'production', SESSION_SECRET: SECRET }).sessionSecrets).toEqual([SECRET]);
    for (const variables of [{ SESSION_SECRET: 'hunter2' }, { DATABASE_URL: 'pg://u:hunter2@h/d' }]) {
      expect(() => readConfig(variables)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
      );
    }
  });
});

describe('variables that mean nothing beside others', () => {
  it.each<[name: string, value: string, needed: string, by: string, good: readonly string[], bad: readonly string[]]>([
    [
      'SESSION_OVERFLOW',
      'reject',
      'SESSION_POLICY=multi:N or per-device-type+multi:N',
      'SESSION_POLICY',
      ['multi:2', 'per-device-type+multi:2'],
      ['', 'single', 'multi'],
    ],
    [
      'TRUSTED_ORIGINS',
      'https://a.example',
      'TOKEN_TRANSPORT=cookie or both',
      'TOKEN_TRANSPORT',
      ['cookie', 'both'],
      ['', 'bearer'],
    ],
    ['REFRESH_TTL', '1d', 'TOKEN_MODE=refresh or jwt', 'TOKEN_MODE', ['', 'refresh', 'jwt'], ['sliding']],
    ['RENEW_WITHIN', '1m', 'TOKEN_MODE=sliding', 'TOKEN_MODE', ['sliding'], ['', 'refresh', 'jwt']],
    ['JWT_PRIVATE_KEY', ED25519, 'TOKEN_MODE=jwt', 'TOKEN_MODE', ['jwt'], ['', 'refresh', 'sliding']],
  ])('%s is refused unless it is used', (name, value, needed, by, good, bad) => {
    for (const one of good) readConfig({ [name]: value, [by]: one });
    for (const [one, held] of bad.flatMap((mode) => [value, 'nonsense'].map((text) => [mode, text] as const))) {
      const message = `${name} must be left out, or used with ${needed}: it has no effect without.`;
      expect(() => readConfig({ [name]: held, [by]: one })).toThrow(
        new ConfigError(name, message.slice(name.length + 1)),
      );
    }
  });
});

describe('token modes', () => {
  it('without grace is for refresh tokens only', () => {
    expect(() => readConfig({ TOKEN_MODE: 'sliding', TOKEN_GRACE: '0s' })).toThrow(
      /^TOKEN_GRACE must be .* above zero/,
    );
    expect(readConfig({ TOKEN_MODE: 'jwt', TOKEN_GRACE: '0ms' }).tokens).toMatchObject({ grace: '0ms' });
  });

  it('jwt must have a key in production', () => {
    const production = { NODE_ENV: 'production', SESSION_SECRET: SECRET };
    expect(() => readConfig({ ...production, TOKEN_MODE: 'jwt' })).toThrow(/^JWT_PRIVATE_KEY must be set/);
    expect(readConfig({ ...production, TOKEN_MODE: 'jwt', JWT_PRIVATE_KEY: ED25519 }).tokens.mode).toBe('jwt');
    expect(readConfig(production).tokens.mode).toBe('refresh');
  });

  it.each([
    ['tokens.grace', 'SessionModule option "tokens.grace" must not be longer than tokens.access.'],
    ['unknown', 'SessionModule option "hooks.other" is unknown.'],
    ['duration', "timing.outageGrace must be a positive duration with a unit, at most 100 years, such as '30s'."],
  ])('what the library says of %s is said of variables', (_name, message) => {
    expect(inVariables(message)).toBe(
      message
        .replace('SessionModule option "tokens.grace"', 'TOKEN_GRACE')
        .replace('tokens.access', 'ACCESS_TTL')
        .replace('timing.outageGrace', 'OUTAGE_GRACE'),
    );
  });
});

const optionsOf = (variables: Record<string, string>) =>
  sessionOptions(readConfig(variables), { secrets: [SECRET], jwtKeys: [] });

describe('the session library', () => {
  it.each<[given: object, options: object]>([
    [{}, { tokens: accessAndRefresh(), timing: { outageGrace: '15s' }, onReplace: 'clear' }],
    [{ REFRESH_TTL: '2d', MAX_AGE: '3d' }, { tokens: accessAndRefresh({ refresh: '2d', maxAge: '3d' }) }],
    [{ ACCESS_TTL: '45m', TOKEN_GRACE: '0s' }, { tokens: accessAndRefresh({ access: '45m', grace: '0s' }) }],
    [
      { TOKEN_MODE: 'sliding', ACCESS_TTL: '1h', RENEW_WITHIN: '20m', TOKEN_GRACE: '1m', MAX_AGE: '3d' },
      { tokens: sliding({ ttl: '1h', renewWithin: '20m', grace: '1m', maxAge: '3d' }) },
    ],
    [{ IDLE_TIMEOUT: '30m' }, { idleTimeout: '30m', timing: { activityFlush: '10s', sweep: '30s' } }],
    [{ IDLE_TIMEOUT: '9s' }, { idleTimeout: '9s', timing: { activityFlush: '3000ms', sweep: '9s' } }],
    [
      { ON_REPLACE: 'keep', NEAR_CACHE: 'off' },
      { onReplace: 'keep', nearCache: false },
    ],
    [{}, { transport: bearer() }],
    [
      { TOKEN_TRANSPORT: 'cookie', TRUSTED_ORIGINS: 'https://a.example' },
      { transport: cookies({ trustedOrigins: ['https://a.example'] }) },
    ],
    [{ TOKEN_TRANSPORT: 'both' }, { transport: both() }],
    [{ OUTAGE_GRACE: '5m' }, { timing: { outageGrace: '5m' } }],
  ])('is given what was read: %j', (given, options) => {
    expect(optionsOf(given as Record<string, string>)).toMatchObject(options);
  });

  it.each(['null', '*', 'https://a.example/', 'a.example'])(
    'refuses %s among TRUSTED_ORIGINS, by that name',
    (origin) => {
      const make = () => optionsOf({ TOKEN_TRANSPORT: 'cookie', TRUSTED_ORIGINS: origin });
      expect(make).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
      try {
        make();
      } catch (error) {
        expect(inVariables((error as Error).message)).toMatch(/^TRUSTED_ORIGINS must hold origins/);
      }
    },
  );

  const phone = {
    id: 'phone',
    slot: 'multi:0',
    deviceType: 'phone',
    deviceId: null,
    deviceName: null,
    createdAt: 1,
    lastSeenAt: 9,
  };
  const laptop = { ...phone, id: 'laptop', slot: 'multi:1', deviceType: 'laptop', createdAt: 2, lastSeenAt: 2 };
  const live = [phone, laptop].map((session) => ({ ...session, presentedAt: session.lastSeenAt }));

  it.each([
    ['single', undefined, { kind: 'grant', end: ['phone', 'laptop'] }],
    ['multi', undefined, { kind: 'grant', end: [] }],
    ['multi:3', undefined, { kind: 'grant', end: [] }],
    ['multi:2', undefined, { kind: 'grant', end: ['phone'] }],
    ['multi:2', 'evict-least-active', { kind: 'grant', end: ['laptop'] }],
    ['multi:2', 'reject', { kind: 'refuse', limit: 2 }],
    ['per-device-type', undefined, { kind: 'grant', end: ['phone'] }],
    ['types:all=phone+laptop', undefined, { kind: 'grant', end: ['phone', 'laptop'] }],
    ['per-device-type+multi:2', undefined, { kind: 'grant', end: ['phone'] }],
    ['per-device-type+multi:2', 'reject', { kind: 'grant', end: ['phone'] }],
    ['per-device-type+multi:1', 'reject', { kind: 'refuse', limit: 1 }],
  ])('decides about a login by SESSION_POLICY=%s and SESSION_OVERFLOW=%s', (SESSION_POLICY, overflow, decision) => {
    const { policy } = optionsOf({ SESSION_POLICY, ...(overflow && { SESSION_OVERFLOW: overflow }) });
    const candidate = { sessionId: 'new', deviceType: 'phone', deviceId: null, presentedSessionId: null, now: 10 };
    expect(policy.decide(candidate, live)).toMatchObject(decision);
  });
});

async function wrongPassword(): Promise<string> {
  const url = new URL(await serverUrl('MariaDB'));
  url.password = 'hunter2';
  return url.href;
}

async function problemOf(variables: Record<string, string>): Promise<unknown> {
  try {
    const config = readConfig(variables);
    const app = await createApplication(AppModule.with(config, { secrets: [SECRET], jwtKeys: [] }), config);
    const listening = app.listen(config.port, config.host);
    await listening.catch(() => undefined);
    await app.close();
    await listening;
    return null;
  } catch (error) {
    return startProblem(error);
  }
}

describe('a start', () => {
  const apps = new SampleApps();
  const taken = net.createServer();
  let port: string;

  beforeAll(async () => {
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    port = String((taken.address() as net.AddressInfo).port);
  });

  afterAll(async () => {
    taken.close();
    await apps.close();
  });

  const withFile = (path: string, text?: string) => {
    const directory = apps.directory();
    mkdirSync(join(directory, path, '..'), { recursive: true });
    if (text === undefined) mkdirSync(join(directory, path));
    else writeFileSync(join(directory, path), text);
    return directory;
  };

  it('stops with one line, without a stack, for a variable that it cannot start with', async () => {
    const bad: readonly (readonly [name: string, variables: Record<string, string>, directory?: string])[] = [
      ['SESSION_POLICY', { SESSION_POLICY: 'triple' }],
      ['SESSION_SECRET', { NODE_ENV: 'production' }],
      ['SESSION_SECRET', {}, withFile('.data', 'a file')],
      ['SESSION_SECRET', {}, withFile('.data/session-secret')],
      ['SESSION_SECRET', {}, '/proc/self'],
      ['JWT_PRIVATE_KEY', { TOKEN_MODE: 'jwt', SESSION_SECRET: SECRET }, withFile('.data', 'a file')],
      ['DATABASE_URL', { SESSION_SECRET: SECRET }, withFile('.data', 'a file')],
    ];
    const starts = bad.map(async ([name, variables, directory]) => {
      const app = apps.spawn(variables, directory);
      expect(await app.exit()).toBe(1);
      expect(app.stdout).toBe('');
      // Without a secret of its own, an application that keeps none says so first.
      expect(app.stderr).toMatch(new RegExp(`^(SESSION_SECRET is not set: .*\\n)?${name} .*\\n$`));
      expect(app.stderr).not.toMatch(/^ +at /m);
    });
    await Promise.all(starts);
  });

  it.each<[name: string, how: string, variables: () => Record<string, string> | Promise<Record<string, string>>]>([
    ['DATABASE_URL', 'a folder', () => ({ DATABASE_URL: `sqlite:${withFile('sessions.sqlite')}/sessions.sqlite` })],
    ['DATABASE_URL', 'text', () => ({ DATABASE_URL: `sqlite:${withFile('x.sqlite', 'x'.repeat(50))}/x.sqlite` })],
    ['DATABASE_URL', 'full', () => ({ DATABASE_URL: 'sqlite:/dev/full' })],
    ['DATABASE_URL', 'a wrong password', async () => ({ DATABASE_URL: await wrongPassword() })],
    ['DATABASE_URL', 'no PostgreSQL', () => ({ DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/none' })],
    ['DATABASE_URL', 'no MySQL', () => ({ DATABASE_URL: 'mysql://user:hunter2@127.0.0.1:1/none' })],
    ['DATABASE_URL', 'below a device', () => ({ DATABASE_URL: 'sqlite:/dev/null/x.sqlite' })],
    ['DATABASE_URL', 'no folder', () => ({ DATABASE_URL: 'sqlite:/proc/missing/folder/x.sqlite' })],
    ['TOKEN_GRACE', 'too long', () => ({ TOKEN_GRACE: '2h' })],
    ['RENEW_WITHIN', 'too long', () => ({ TOKEN_MODE: 'sliding', ACCESS_TTL: '1m', RENEW_WITHIN: '1m' })],
    ['PORT', 'in use', () => ({ PORT: port, HTTP_ADAPTER: 'fastify' })],
    ['HOST', 'of another machine', () => ({ PORT: '0', HOST: '192.0.2.1' })],
  ])('says in one line that %s is wrong: %s', async (name, _how, variables) => {
    const problem = await problemOf({ DATABASE_URL: 'sqlite::memory:', ...(await variables()) });
    expect(problem).toMatch(new RegExp(`^${name} .*$`));
    expect(problem).not.toContain('hunter2');
  });

  it.each([
    'http://user:hunter2@127.0.0.1:6379',
    'hunter2',
    'redis://',
    'redis://user:hunter2@127.0.0.1:66666',
    'redis://user:hunter2%zz@127.0.0.1:6379',
    'redis://user:hunter2@127.0.0.1:6379/sessions',
    'redis+cluster://user:hunter2@127.0.0.1',
    'redis+cluster://user:hunter2%@127.0.0.1:7000,127.0.0.1:7001',
    'redis+sentinel://user:hunter2@127.0.0.1:26379',
  ])('says what a REDIS_URL may be, and does not repeat it: %s', async (REDIS_URL) => {
    const problem = await problemOf({ DATABASE_URL: 'sqlite::memory:', REDIS_URL });
    expect(problem).toMatch(/^REDIS_URL must be a URL of one of these forms: redis:\/\/HOST:PORT, .*$/);
    expect(problem).not.toMatch(/hunter2|127\.0\.0\.1/);
  });

  it('makes a secret, and a key for JWTs, once, which only their owner may read, and goes on with tokens of before', async () => {
    const directory = apps.directory();
    const kept = () =>
      ['session-secret', 'jwt-key.pem'].map((name) => {
        const file = join(directory, '.data', name);
        expect(statSync(file).mode & 0o777).toBe(0o600);
        return readFileSync(file, 'utf8');
      });
    const first = await apps.start({ TOKEN_MODE: 'jwt' }, directory);
    const { accessToken } = await first.login('alice');
    await first.end('SIGTERM');
    const before = kept();
    expect(before[0]!.trim().length).toBeGreaterThanOrEqual(32);
    const second = await apps.start({ TOKEN_MODE: 'jwt' }, directory);
    expect((await second.get('/me', accessToken)).status).toBe(200);
    await second.end('SIGTERM');
    expect(kept()).toEqual(before);
  });

  it.each([
    ['SESSION_SECRET', 'session-secret', {}],
    ['JWT_PRIVATE_KEY', 'jwt-key.pem', { TOKEN_MODE: 'jwt' }],
  ])('refuses a kept %s that is not one, and says where it is', async (name, file, variables) => {
    const directory = apps.directory();
    mkdirSync(join(directory, '.data'));
    writeFileSync(join(directory, '.data', file), 'short\n');
    const app = apps.spawn(variables as Record<string, string>, directory);
    expect(await app.exit()).toBe(1);
    expect(app.stderr).toMatch(new RegExp(`^${name} is not set.*\\.data/${file}`));
  });

  it('warns where a secret or a key cannot be kept, and works with the least cost of scrypt', async () => {
    const app = await apps.start({ DATABASE_URL: 'sqlite::memory:', TOKEN_MODE: 'jwt', SCRYPT_COST: '1' });
    expect((await app.login('alice')).ended).toEqual([]);
    expect(app.stderr).toMatch(/^SESSION_SECRET is not set: .*\nJWT_PRIVATE_KEY is not set: .*\n$/);
  });
});
