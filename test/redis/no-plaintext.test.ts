import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { Redis } from 'ioredis';
import { type RefreshResult, type TokenMode, accessAndRefresh, singleDevice, sliding } from 'nestjs-latchkey';
import { jwt } from 'nestjs-latchkey/jwt';
import { redis } from 'nestjs-latchkey/redis';
import { hashToken } from 'lib/token-codec.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, createSqlite } from '../support/databases.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { type Services, type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

const { privateKey } = generateKeyPairSync('ed25519');
const modes: Readonly<Record<string, TokenMode>> = {
  sliding: sliding(),
  refresh: accessAndRefresh(),
  jwt: jwt({ keys: [{ kid: 'one', privateKey }], issuer: 'test', audience: 'test' }),
};

/** An opaque token, or a JWT. */
const TOKEN = /[a-z0-9]{2,16}_(?:at|rt)_[\w-]{96}|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}/;

describe.each(Object.keys(modes))('what Redis gets to see in %s mode', (mode) => {
  let server: RedisServer;
  let client: Redis;
  let monitor: Redis;
  let database: TestDatabase;
  let nodes: Sessions[] = [];
  const commands: string[][] = [];
  const minted: string[] = [];

  beforeAll(async () => {
    [server, database] = await Promise.all([startRedis(), createSqlite()]);
    client = new Redis(server.url);
    monitor = await client.monitor();
    monitor.on('monitor', (_time: string, args: string[]) => commands.push(args));
    const options = {
      database: database.options,
      tokens: modes[mode]!,
      policy: singleDevice(),
      redis: redis(server.url),
      timing: { poll: '50ms', pollFreshness: '1s' },
    } as const;
    nodes = [await startSessions(options), await startSessions(options)];
    for (const { context } of nodes) {
      const { coherence } = context.get(SessionRuntime, { strict: false });
      await until(() => coherence.caching);
    }
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    monitor.disconnect();
    client.disconnect();
    await Promise.all([server.stop(), database.drop()]);
  });

  /** Everything that a session goes through, on two nodes. */
  const live = async ([one, other]: readonly Services[], user: string) => {
    const note = <T extends { accessToken: string; refreshToken?: string }>(tokens: T) => {
      minted.push(tokens.accessToken, ...(tokens.refreshToken ? [tokens.refreshToken] : []));
      return tokens;
    };
    let tokens: RefreshResult = note(await one!.tokens.login(user, { deviceType: 'phone', ip: '192.0.2.1' }));
    for (const node of [other, one, other]) await node!.tokens.verify(tokens.accessToken);
    const first = tokens;
    if (tokens.refreshToken) tokens = note(await other!.tokens.refresh(tokens.refreshToken));
    for (const node of [one, other]) await node!.tokens.verify(tokens.accessToken);
    await one!.tokens.verify(`${tokens.accessToken}x`);
    await other!.sessions.updateClaims((await one!.sessions.list(user))[0]!.id, { role: 'admin' });
    await one!.tokens.verify(tokens.accessToken);
    const next = note(await other!.tokens.login(user, { presentedToken: tokens.accessToken }));
    for (const { accessToken } of [first, tokens, next])
      for (const node of [one, other]) await node!.tokens.verify(accessToken);
    await one!.operators.kickUser(user, { by: 'admin' });
    await other!.tokens.verify(next.accessToken);
    await one!.tokens.logout(next.accessToken);
    if (next.refreshToken) await one!.tokens.refresh(next.refreshToken).catch(() => undefined);
    const last = note(await other!.tokens.login(user));
    // As soon as all have heard of what ended just now, the next one is remembered.
    await until(async () => {
      await one!.tokens.verify(last.accessToken);
      return (await client.get(`latchkey:users:session:${last.session.id}`)) !== null;
    });
  };

  it('G9, A11: no token, neither in what is kept nor on the way', async () => {
    for (const user of ['alice', 'bob']) await live(nodes, user);
    const keys = await client.keys('*');
    const values = await client.mget(keys);
    const seen = [...keys, ...values, ...commands.flat()].join('\n');
    // It did see the sessions, live ones and ended ones.
    expect(values.map((value) => value![0]).sort()).toEqual(['L', 'L', 'T', 'T', 'T', 'T']);
    expect(commands.filter(([name]) => name === 'evalsha').length).toBeGreaterThan(10);
    expect(commands.filter(([name]) => name === 'publish').length).toBeGreaterThan(10);
    expect(TOKEN.exec(seen)).toBeNull();
    expect(minted.length).toBeGreaterThanOrEqual(6);
    expect(minted.filter((token) => seen.includes(token))).toEqual([]);
    // The test can see what it looks for.
    expect(TOKEN.test(minted[0]!)).toBe(true);
    if (mode !== 'jwt') expect(seen).toContain(hashToken(minted[0]!));
  });

  it('A16: every key has an end', async () => {
    const keys = await client.keys('*');
    const ttls = await Promise.all(keys.map((key) => client.pttl(key)));
    expect(keys.length).toBeGreaterThan(0);
    // 5 minutes for a copy, and half a minute more for a tombstone.
    expect(ttls.filter((ttl) => ttl <= 0 || ttl > 330_000)).toEqual([]);
  });

  it('A92, A93: no other commands than it needs, on one key each', () => {
    const ours = commands.filter(([name]) => !['keys', 'mget', 'pttl', 'monitor', 'ping'].includes(name!));
    const names = new Set(ours.map(([name]) => name!.toLowerCase()));
    for (const setup of [
      'info',
      'hello',
      'client',
      'subscribe',
      'unsubscribe',
      'quit',
      'set',
      'del',
      'auth',
      'select',
    ]) {
      names.delete(setup);
    }
    expect([...names].sort()).toEqual(['eval', 'evalsha', 'get', 'publish']);
    expect(new Set(ours.filter(([name]) => name === 'evalsha').map(([, sha]) => sha)).size).toBe(1);
    expect(new Set(ours.filter(([name]) => name === 'eval').map(([, text]) => text)).size).toBe(1);
  });
});
