import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../sample-app/config/config-error.js';
import { readConfig } from '../../sample-app/config/read-config.js';
import { SampleApps } from './sample-app.js';

const SECRET = 'x'.repeat(32);

describe('the environment', () => {
  it('may be empty', () => {
    expect(readConfig({ PORT: '', REDIS_URL: ' ' })).toEqual({
      host: '127.0.0.1',
      port: 3000,
      database: { kind: 'file', path: '.data/sessions.sqlite' },
      sessionSecrets: null,
      policy: { kind: 'single' },
      accessTtl: '30m',
      maxAge: '90d',
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
    [{ SESSION_SECRET: `${SECRET}1, ${SECRET}2` }, { sessionSecrets: [`${SECRET}1`, `${SECRET}2`] }],
    [{ SESSION_POLICY: 'multi' }, { policy: { kind: 'multi', overflow: 'evict-oldest' } }],
    [
      { SESSION_POLICY: 'multi:1000', SESSION_OVERFLOW: 'reject' },
      { policy: { kind: 'multi', max: 1000, overflow: 'reject' } },
    ],
    [{ SESSION_POLICY: 'per-device-type' }, { policy: { kind: 'per-device-type' } }],
    [
      { ACCESS_TTL: '500ms', MAX_AGE: '2h', OUTAGE_GRACE: '5m' },
      { accessTtl: '500ms', maxAge: '2h', outageGrace: '5m' },
    ],
    [
      { NEAR_CACHE: 'off', HTTP_ADAPTER: 'fastify' },
      { nearCache: 'off', httpAdapter: 'fastify' },
    ],
    [
      { SEED_USERS: '1000', SCRYPT_COST: '4' },
      { seedUsers: 1000, scryptCost: 4 },
    ],
    [{ IDLE_TIMEOUT: 'off', ON_REPLACE: 'clear' }, {}],
  ])('%j is read', (variables, expected) => {
    const config = readConfig(variables);
    expect(config).toMatchObject(expected);
    expect(Object.isFrozen(config)).toBe(true);
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
    ['TOKEN_MODE', 'refresh', 'sliding', 'jwt'],
    ['REFRESH_TTL', '30d'],
    ['RENEW_WITHIN', '5m'],
    ['TOKEN_GRACE', '30s'],
    ['IDLE_TIMEOUT', '30m'],
    ['ON_REPLACE', 'keep'],
    ['REDIS_URL', 'redis://127.0.0.1:6379'],
  ])('a bad %s is refused by name', (name, ...values) => {
    for (const value of values) {
      expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
      expect(() => readConfig({ [name]: value })).toThrow(
        new RegExp(`^${name} (must be|is for something that this version)`),
      );
    }
  });

  it('must have a secret in production, and no message ever repeats a secret or a URL', () => {
    expect(() => readConfig({ NODE_ENV: 'production' })).toThrow(/^SESSION_SECRET must be set/);
    expect(readConfig({ NODE_ENV: 'production', SESSION_SECRET: SECRET }).sessionSecrets).toEqual([SECRET]);
    for (const variables of [{ SESSION_SECRET: 'hunter2' }, { DATABASE_URL: 'pg://u:hunter2@h/d' }]) {
      expect(() => readConfig(variables)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
      );
    }
  });
});

describe('a start', () => {
  const apps = new SampleApps();
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
    const bad: readonly (readonly [name: string, variables: Record<string, string>])[] = [
      ['SESSION_POLICY', { SESSION_POLICY: 'triple' }],
      ['REDIS_URL', { REDIS_URL: 'redis://127.0.0.1' }],
      ['SESSION_SECRET', { NODE_ENV: 'production' }],
      ['PORT', { PORT: String(port) }],
      ['HOST', { HOST: '192.0.2.1' }],
      ['DATABASE_URL', { DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/none' }],
      ['DATABASE_URL', { DATABASE_URL: 'mysql://user:hunter2@127.0.0.1:1/none' }],
      ['DATABASE_URL', { DATABASE_URL: 'sqlite:/dev/null/x.sqlite' }],
    ];
    const starts = bad.map(async ([name, variables]) => {
      const app = apps.spawn(variables);
      expect(await app.exit()).toBe(1);
      expect(app.stdout).toBe('');
      expect(app.stderr).toMatch(new RegExp(`^(.*\\n)?${name} .*\\n$`));
      expect(app.stderr).not.toMatch(/hunter2|^ +at /m);
    });
    await Promise.all(starts);
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

  it('refuses a kept secret that is too short, and says where it is', async () => {
    const directory = apps.directory();
    mkdirSync(join(directory, '.data'));
    writeFileSync(join(directory, '.data/session-secret'), 'short\n');
    const app = apps.spawn({}, directory);
    expect(await app.exit()).toBe(1);
    expect(app.stderr).toMatch(/^SESSION_SECRET is not set.*\.data\/session-secret/);
  });

  it('warns where a secret cannot be kept', async () => {
    const app = await apps.start({ DATABASE_URL: 'sqlite::memory:' });
    expect(app.stderr).toMatch(/^SESSION_SECRET is not set: .*\n$/);
  });
});
