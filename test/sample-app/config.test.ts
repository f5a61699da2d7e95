import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../sample-app/config/config-error.js';
import { readConfig } from '../../sample-app/config/read-config.js';
import { inVariables } from '../../sample-app/config/variable-names.js';
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
      idleTimeout: false,
      onReplace: 'clear',
      outageGrace: '15s',
      nearCache: 'auto',
      httpAdapter: 'express',
      seedUsers: 0,
      scryptCost: 14,
    });
  });

  it.each([
    [
      { HOST: '0.0.0.0', PORT: '0' },
      { host: '0.0.0.0', port: 0 },
    ],
    [{ DATABASE_URL: 'sqlite::memory:' }, { database: { kind: 'memory' } }],
    [{ DATABASE_URL: 'sqlite:/var/lib/x.db' }, { database: { kind: 'file', path: '/var/lib/x.db' } }],
    [
      { DATABASE_URL: 'postgres://u:p@h/d' },
      { database: { kind: 'server', type: 'postgres', url: 'postgres://u:p@h/d' } },
    ],
    [{ DATABASE_URL: 'postgresql://h/d' }, { database: { kind: 'server', type: 'postgres', url: 'postgresql://h/d' } }],
    [{ DATABASE_URL: 'mysql://h:1/d' }, { database: { kind: 'server', type: 'mysql', url: 'mysql://h:1/d' } }],
    [{ DATABASE_URL: 'mariadb://h/d' }, { database: { kind: 'server', type: 'mariadb', url: 'mariadb://h/d' } }],
    [{ REDIS_URL: ' redis://h:1 ' }, { redisUrl: 'redis://h:1' }],
    [{ SESSION_SECRET: `${SECRET}1, ${SECRET}2` }, { sessionSecrets: [`${SECRET}1`, `${SECRET}2`] }],
    [{ SESSION_POLICY: 'multi' }, { policy: { kind: 'multi', overflow: 'evict-oldest' } }],
    [
      { SESSION_POLICY: 'multi:1000', SESSION_OVERFLOW: 'reject' },
      { policy: { kind: 'multi', max: 1000, overflow: 'reject' } },
    ],
    [{ SESSION_POLICY: 'per-device-type' }, { policy: { kind: 'per-device-type' } }],
    [
      { ACCESS_TTL: '45m', REFRESH_TTL: '2d', MAX_AGE: '3d', TOKEN_GRACE: '0s', OUTAGE_GRACE: '5m' },
      {
        tokens: { mode: 'refresh', access: '45m', refresh: '2d', grace: '0s', maxAge: '3d' },
        outageGrace: '5m',
      },
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
  ])('%j is read', (variables, expected) => {
    const config = readConfig(variables);
    expect(config).toMatchObject(expected);
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
    ['SESSION_OVERFLOW', 'evict', 'evict-newest'],
    ['ACCESS_TTL', '30', '0s', '-5m', '1w', '5 m', '1e3s', '99999999d', 'm'],
    ['MAX_AGE', '30', '0d', 'never'],
    ['OUTAGE_GRACE', '15', '0ms'],
    ['NEAR_CACHE', 'on', 'true'],
    ['HTTP_ADAPTER', 'koa', 'constructor'],
    ['SEED_USERS', '-1', 'many', '1e3', '1000001'],
    ['SCRYPT_COST', '0', '21', '14.5', 'high'],
    ['TOKEN_MODE', 'fixed', 'JWT', 'toString'],
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
    ['SESSION_POLICY', 'Single', 'single, multi, multi:N with N from 1 to 1000, or per-device-type'],
    ['SESSION_OVERFLOW', 'Reject', 'evict-oldest, evict-least-active or reject'],
    ['TOKEN_MODE', 'JWT', 'refresh, sliding or jwt'],
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
      'SESSION_POLICY=multi:N',
      'SESSION_POLICY',
      ['multi:2'],
      ['', 'single', 'multi', 'per-device-type'],
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

/** A server that is there, and lets nobody in with this. */
async function wrongPassword(): Promise<string> {
  const url = new URL(await serverUrl('MariaDB'));
  url.password = 'hunter2';
  return url.href;
}

describe('a start', () => {
  const apps = SampleApps.asBuilt();
  const listening: net.Server[] = [];

  afterAll(async () => {
    for (const server of listening) server.close();
    await apps.close();
  });

  it('stops with one line, without a stack, for a variable that it cannot start with', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    listening.push(taken);
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const withFile = (path: string, text?: string) => {
      const directory = apps.directory();
      mkdirSync(join(directory, path, '..'), { recursive: true });
      if (text === undefined) mkdirSync(join(directory, path));
      else writeFileSync(join(directory, path), text);
      return directory;
    };
    const bad: readonly (readonly [name: string, variables: Record<string, string>, directory?: string])[] = [
      ['SESSION_POLICY', { SESSION_POLICY: 'triple' }],
      ['SESSION_OVERFLOW', { SESSION_OVERFLOW: 'reject' }],
      ['SESSION_SECRET', {}, withFile('.data', 'a file')],
      ['SESSION_SECRET', {}, withFile('.data/session-secret')],
      ['SESSION_SECRET', {}, '/proc/self'],
      ['JWT_PRIVATE_KEY', { TOKEN_MODE: 'jwt', SESSION_SECRET: SECRET }, withFile('.data', 'a file')],
      ['DATABASE_URL', { SESSION_SECRET: SECRET }, withFile('.data', 'a file')],
      ['DATABASE_URL', {}, withFile('.data/sessions.sqlite')],
      ['DATABASE_URL', {}, withFile('.data/sessions.sqlite', 'no database at all, but a text that is long enough')],
      ['DATABASE_URL', { DATABASE_URL: 'sqlite:/dev/full' }],
      ['DATABASE_URL', { DATABASE_URL: await wrongPassword() }],
      ['REDIS_URL', { REDIS_URL: 'http://user:hunter2@127.0.0.1:1' }],
      ['TOKEN_GRACE', { TOKEN_GRACE: '2h' }],
      ['RENEW_WITHIN', { TOKEN_MODE: 'sliding', ACCESS_TTL: '1m', RENEW_WITHIN: '1m' }],
      ['SESSION_SECRET', { NODE_ENV: 'production' }],
      ['PORT', { PORT: String(port) }],
      ['PORT', { PORT: String(port), HTTP_ADAPTER: 'fastify' }],
      ['HOST', { HOST: '192.0.2.1' }],
      ['DATABASE_URL', { DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/none' }],
      ['DATABASE_URL', { DATABASE_URL: 'mysql://user:hunter2@127.0.0.1:1/none' }],
      ['DATABASE_URL', { DATABASE_URL: 'sqlite:/dev/null/x.sqlite' }],
      ['DATABASE_URL', { DATABASE_URL: 'sqlite:/proc/missing/folder/x.sqlite' }],
    ];
    const starts = bad.map(async ([name, variables, directory]) => {
      const app = apps.spawn(variables, directory);
      expect(await app.exit()).toBe(1);
      expect(app.stdout).toBe('');
      // Without a secret of its own, an application on a server says so first.
      expect(app.stderr).toMatch(new RegExp(`^(SESSION_SECRET is not set: .*\\n)?${name} .*\\n$`));
      expect(app.stderr).not.toMatch(/hunter2|^ +at /m);
    });
    await Promise.all(starts);
  });

  it('works with the least cost of scrypt', async () => {
    const app = await apps.start({ SCRYPT_COST: '1' });
    expect((await app.login('alice')).ended).toEqual([]);
  });

  it('makes a secret once, which only its owner may read', async () => {
    const directory = apps.directory();
    await (await apps.start({}, directory)).end('SIGTERM');
    const file = join(directory, '.data/session-secret');
    const secret = readFileSync(file, 'utf8');
    expect(secret.trim().length).toBeGreaterThanOrEqual(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await (await apps.start({}, directory)).end('SIGTERM');
    expect(readFileSync(file, 'utf8')).toBe(secret);
  });

  it('makes a key for JWTs once, which only its owner may read, and goes on with the tokens of before', async () => {
    const directory = apps.directory();
    const first = await apps.start({ TOKEN_MODE: 'jwt' }, directory);
    const { accessToken } = await first.login('alice');
    await first.end('SIGTERM');
    const file = join(directory, '.data/jwt-key.pem');
    const key = readFileSync(file, 'utf8');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = await apps.start({ TOKEN_MODE: 'jwt' }, directory);
    expect((await second.get('/me', accessToken)).status).toBe(200);
    await second.end('SIGTERM');
    expect(readFileSync(file, 'utf8')).toBe(key);
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

  it('warns where a secret or a key cannot be kept', async () => {
    const app = await apps.start({ DATABASE_URL: 'sqlite::memory:', TOKEN_MODE: 'jwt' });
    expect(app.stderr).toMatch(/^SESSION_SECRET is not set: .*\nJWT_PRIVATE_KEY is not set: .*\n$/);
  });
});
