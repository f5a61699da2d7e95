import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { putIfNewer } from 'lib/redis-commands.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { rounds } from '../support/size.js';

const TTL = 60_000;
const KEY = 'key';

const live = (version: number, readAt: number, body = '[]') => `L:${version}:${readAt}:${body}`;
const tombstone = (version: number) => `T:${version}:0:[]`;

describe('what is put where something is', () => {
  let server: RedisServer;
  let client: Redis;
  const put = (value: string, ttl = TTL) => client.eval(putIfNewer, 1, KEY, value, ttl);
  const hold = async (value: string | null) => {
    await client.del(KEY);
    if (value !== null) await client.set(KEY, value, 'PX', TTL);
  };

  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.url);
  });
  afterEach(async () => {
    await client.config('SET', 'maxmemory', '0');
    await client.flushall();
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  const [PUT, KEPT] = [1, 0];
  it.each([
    ['nothing', null, live(1, 1), PUT],
    ['nothing', null, tombstone(1), PUT],
    ['a copy of a lower version', live(1, 9), live(2, 1), PUT],
    ['a copy of a lower version, with more digits', live(9, 9), live(10, 1), PUT],
    ['a copy of a higher version', live(3, 1), live(2, 9), KEPT],
    ['a copy of the same version that was read earlier', live(2, 5), live(2, 6), PUT],
    ['a copy of the same version that was read later', live(2, 5), live(2, 4), KEPT],
    ['the same copy', live(2, 5), live(2, 5), KEPT],
    ['a copy that was read earlier, with fewer digits', live(2, 999), live(2, 1000), PUT],
    ['a copy with the largest numbers', live(1e15 - 2, 1e15 - 2), live(1e15 - 2, 1e15 - 1), PUT],
    ['a live copy', live(9, 9), tombstone(1), PUT],
    ['a tombstone', tombstone(1), live(9, 9), KEPT],
    ['another tombstone', tombstone(9), tombstone(1), PUT],
    ['what nobody of this version wrote', 'garbage', live(1, 1), PUT],
    ['half a copy', 'L:7', live(1, 1), PUT],
    ['a copy of no number', 'L:x:1:[]', live(1, 1), PUT],
    ['the empty text', '', live(1, 1), PUT],
    ['what nobody of this version wrote', 'garbage', tombstone(1), PUT],
  ])('%s (%s), and %s: %i', async (_what, held, value, expected) => {
    await hold(held);
    expect(await put(value)).toBe(expected);
    expect(await client.get(KEY)).toBe(expected === PUT ? value : held);
  });

  it('ends as the tombstone, or as the latest copy, in whatever order all of it comes', async () => {
    const one = fc.oneof(
      { weight: 8, arbitrary: fc.tuple(fc.nat(12), fc.nat(12)).map(([version, readAt]) => live(version, readAt)) },
      { weight: 1, arbitrary: fc.nat(12).map(tombstone) },
    );
    const rank = (value: string) => {
      const [kind, version, readAt] = value.split(':');
      return kind === 'T' ? Infinity : Number(version) * 100 + Number(readAt);
    };
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 12 }), async (all) => {
        const work = client.pipeline().del(KEY);
        for (const value of all) work.eval(putIfNewer, 1, KEY, value, TTL);
        const results = (await work.get(KEY).exec())!;
        const end = results.at(-1)![1] as string;
        expect(rank(end)).toBe(Math.max(...all.map(rank)));
      }),
      { numRuns: rounds('properties') },
    );
  });

  it('A16: always ends by itself, by the time that came with what is there', async () => {
    const ttl = () => client.pttl(KEY);
    await put(live(1, 1), 5000);
    expect(await ttl()).toBeGreaterThan(4000);
    // A key that somebody made without an end gets one, as soon as anything is put there.
    await client.persist(KEY);
    await put(live(1, 2), 5000);
    expect(await ttl()).toBeGreaterThan(4000);
    await put(live(1, 1), 900_000);
    expect(await ttl()).toBeLessThanOrEqual(5000);
    await put(tombstone(2), 100_000);
    expect(await ttl()).toBeGreaterThan(90_000);
    await put(live(3, 3), 900_000);
    expect(await ttl()).toBeLessThanOrEqual(100_000);
  });

  it.each(['noeviction', 'allkeys-lru', 'volatile-ttl'])(
    'is gone with what was there where %s left no room',
    async (policy) => {
      await client.config('SET', 'maxmemory-policy', policy);
      for (const value of [live(2, 2), tombstone(2)]) {
        await hold(live(1, 1));
        await client.config('SET', 'maxmemory', '1');
        expect(await put(value)).toBe(-1);
        expect(await client.get(KEY)).toBeNull();
        await client.config('SET', 'maxmemory', '0');
      }
      await client.config('SET', 'maxmemory-policy', 'noeviction');
    },
  );

  it('stays where what came is older, though there is no room', async () => {
    await hold(tombstone(2));
    await client.config('SET', 'maxmemory', '1');
    expect(await put(live(9, 9))).toBe(0);
    expect(await client.get(KEY)).toBe(tombstone(2));
  });
});
