import { expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { createHash, generateKeyPairSync } from 'node:crypto';
import {
  type LoginResult,
  type RefreshResult,
  type TokenMode,
  accessAndRefresh,
  singleDevice,
  sliding,
} from 'nestjs-latchkey';
import { jwt } from 'nestjs-latchkey/jwt';
import { redis } from 'nestjs-latchkey/redis';
import { putIfNewer, redisKeys } from 'lib/redis-commands.js';
import { hashToken } from 'lib/token-codec.js';
import { createSqlite } from '../support/databases.js';
import { redisCommand, startRedis } from '../support/redis.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';
import { useEnd } from '../support/use-database.js';

const { privateKey } = generateKeyPairSync('ed25519');
const MODES: readonly (readonly [string, TokenMode])[] = [
  ['sliding', sliding()],
  ['refresh', accessAndRefresh()],
  ['jwt', jwt({ keys: [{ kid: 'one', privateKey }], issuer: 'test', audience: 'test' })],
];
const TOKEN = /[a-z0-9]{2,16}_(?:at|rt)_[\w-]{96}|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}/;
/** User ids that mean something to Redis, in a pattern or in a key. */
const HOSTILE_IDS = ['*', 'user:*', '{users}', '}{', '[a-z]?', 'a\r\nFLUSHALL\r\n', '../..', 'L:1:1:', '\u{1F511}'];
/** 5 minutes for a copy, and half a minute more for a tombstone. */
const LONGEST_LIFE_MS = 330_000;

const atEnd = useEnd();

/** All commands that a Redis is told from now on, with their arguments, but those of scripts and the EXISTS of this test. */
async function monitor(url: string): Promise<readonly string[][]> {
  const monitor = await new Redis(url, { lazyConnect: true }).monitor();
  atEnd(() => monitor.disconnect());
  const log: string[][] = [];
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source !== 'lua' && args[0] !== 'EXISTS')
      log.push(args.map((text) => text.replaceAll('\\n', '\n').replaceAll('\\"', '"')));
  });
  return log;
}
const namesIn = (log: readonly string[][]) => [...new Set(log.map(([name]) => name!.toLowerCase()))].sort();
const argumentsOf = (name: string, log: readonly string[][]) =>
  log.filter(([first]) => first!.toLowerCase() === name).map(([, ...args]) => args);

it.each(MODES)(
  'G9, A11, A16, A92, A93: in %s mode Redis gets three commands and one script, on keys of our own making that all end, and no token',
  async (mode, tokenMode) => {
    const [server, database] = await Promise.all([startRedis(), createSqlite()]);
    atEnd(() => Promise.all([server.stop(), database.drop()]));
    const all = await monitor(server.url);
    const options = {
      database: database.options,
      tokens: tokenMode,
      policy: singleDevice(),
      // No connection is opened anew because the machine is busy.
      redis: redis(server.url, { timeout: '5s' }),
      timing: { poll: '50ms', pollFreshness: '10s' },
    } as const;
    const nodes = [await startSessions(options), await startSessions(options)];
    atEnd(() => Promise.all(nodes.map((node) => node.close())));
    await until(() => nodes.every(({ runtime }) => runtime.coherence.caching));
    const [one, other] = nodes as [Sessions, Sessions];
    const minted: string[] = [];
    const note = <T extends RefreshResult | LoginResult>(tokens: T) => {
      minted.push(tokens.accessToken, ...(tokens.refreshToken ? [tokens.refreshToken] : []));
      return tokens;
    };
    const stored = (key: string) => redisCommand(server.port, 'GET', key);
    const live = async (user: string) => {
      const first = note(await one.tokens.login(user, { deviceType: 'phone', ip: '192.0.2.1' }));
      for (const node of [other, one, other]) await node.tokens.verify(first.accessToken);
      const tokens = first.refreshToken ? note(await other.tokens.refresh(first.refreshToken)) : first;
      for (const node of [one, other]) await node.tokens.verify(tokens.accessToken);
      await one.tokens.verify(`${tokens.accessToken}x`);
      await other.sessions.updateClaims(first.session.id, { role: 'admin' });
      const next = note(await other.tokens.login(user, { presentedToken: tokens.accessToken }));
      for (const { accessToken } of [first, tokens, next])
        for (const node of [one, other]) await node.tokens.verify(accessToken);
      expect(await one.operators.kickUser(user, { by: 'admin' })).toBe(1);
      await other.tokens.verify(next.accessToken);
      if (next.refreshToken) await one.tokens.refresh(next.refreshToken).catch(() => undefined);
      const last = note(await other.tokens.login(user));
      // As soon as all have heard of what ended just now, the next one is remembered.
      await until(async () => {
        await one.tokens.verify(last.accessToken);
        return (
          (await redisCommand(server.port, 'EXISTS', redisKeys('latchkey', 'users').session(last.session.id))) === 1
        );
      });
    };
    await live('alice');
    const names = namesIn(all).filter((name) => !['client', 'unsubscribe'].includes(name));
    expect(names).toEqual('eval evalsha hello info mget publish subscribe'.split(' '));
    const steady = await monitor(server.url);
    for (const user of HOSTILE_IDS) await live(user);
    expect(namesIn(steady)).toEqual(['evalsha', 'mget', 'publish']);

    const sha = createHash('sha1').update(putIfNewer).digest('hex');
    expect([...new Set(argumentsOf('evalsha', all).map(([id]) => id))]).toEqual([sha]);
    expect([...new Set(argumentsOf('eval', all).map(([text]) => text))]).toEqual([putIfNewer]);
    const keys = [...argumentsOf('mget', all).flat(), ...argumentsOf('evalsha', all).map(([, , key]) => key!)];
    expect(keys.filter((key) => !/^latchkey:users:s:[\w-]{22}$/.test(key))).toEqual([]);
    const channels = argumentsOf('publish', all).map(([channel]) => channel!);
    expect(channels.filter((name) => !/^latchkey:users:(notices|answers:[0-9a-f]{32})$/.test(name))).toEqual([]);

    const held = (await redisCommand(server.port, 'KEYS', '*')) as string[];
    const values = await Promise.all(held.map(stored));
    // It did see the sessions, live ones and ended ones.
    expect(new Set(values.map((value) => String(value)[0]))).toEqual(new Set(['L', 'T']));
    const lives = await Promise.all(held.map((key) => redisCommand(server.port, 'PTTL', key)));
    expect(lives.filter((ms) => Number(ms) <= 0 || Number(ms) > LONGEST_LIFE_MS)).toEqual([]);
    const seen = [...held, ...values, ...all.flat()].join('\n');
    expect(TOKEN.exec(seen)).toBeNull();
    expect(minted.filter((token) => seen.includes(token))).toEqual([]);
    // The test can see what it looks for.
    expect(TOKEN.test(minted[0]!)).toBe(true);
    if (mode !== 'jwt') expect(seen).toContain(Buffer.from(hashToken(minted[0]!), 'hex').toString('base64url'));
  },
);
