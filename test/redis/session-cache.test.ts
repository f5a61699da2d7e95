import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Copy } from 'lib/near-cache.js';
import type { SharedCache } from 'lib/shared-cache.js';
import { redisKeys } from 'lib/redis-commands.js';
import type { SessionRecord } from 'lib/model/session.js';
import { tombstoneOf } from 'lib/session-change.js';
import { copiedOf, copyOf, endedRecord, recordOf } from '../cache/records.js';
import { until } from '../support/until.js';
import { COPY_AGE, TOMBSTONE, useBackends } from './backends.js';

describe('sessions in Redis', () => {
  // Before the server stops.
  afterAll(() => client.disconnect());
  const backends = useBackends();
  let client: Redis;
  let cache: SharedCache;
  let record: SessionRecord;

  const keyOf = ({ id }: SessionRecord) => redisKeys(backends.prefix, 'users').session(id);
  const stored = (of = record) => client.get(keyOf(of));
  const fresh = (fields: Partial<SessionRecord> = {}): Copy => copyOf({ ...record, ...fields }, Date.now());
  const buried = (of = record) => tombstoneOf(endedRecord(of))!;
  const calls = async (command: string) =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0);

  beforeAll(() => {
    client = new Redis(backends.server.url);
  });
  beforeEach(async () => {
    record = recordOf();
    ({ cache } = (await backends.startThroughProxy()).backend);
  });

  it('are found by their id, the later copy, and the tombstone from then on', async () => {
    expect(await cache.read(record.id)).toBeNull();
    const copy = fresh();
    cache.keep(copy);
    await until(async () => (await stored()) !== null);
    expect(await cache.read(record.id)).toEqual({ ...copy, record: copiedOf(record) });
    cache.keep(copyOf({ ...record, version: 0 }, Date.now()));
    await cache.bury([buried()]);
    expect(await cache.read(record.id)).toEqual({ ...buried(), end: { ...buried().end, by: '' } });
    cache.keep(fresh({ version: 99 }));
    await cache.read(recordOf().id);
    expect(await stored()).toMatch(/^T:/);
  });

  it('A16: are kept for no longer than they may be used', async () => {
    const now = Date.now();
    const soon = recordOf({ usableUntil: now + 5000 });
    cache.keep(copyOf(record, now - 1000));
    cache.keep(copyOf(soon, now));
    const ended = recordOf();
    await cache.bury([buried(ended)]);
    const ttls = await Promise.all([record, soon, ended].map((one) => client.pttl(keyOf(one))));
    for (const [index, most] of [COPY_AGE - 1000, 5000, TOMBSTONE].entries()) {
      expect(ttls[index]).toBeLessThanOrEqual(most);
      expect(ttls[index]).toBeGreaterThan(most - 5000);
    }
  });

  it('are not written where they could not be used', async () => {
    cache.keep(copyOf(record, Date.now() - COPY_AGE));
    cache.keep(copyOf({ ...record, usableUntil: Date.now() }, Date.now()));
    await cache.bury([buried(recordOf())]);
    expect(await stored()).toBeNull();
  });

  it('are asked for once for all that ask in one turn, and again afterwards', async () => {
    cache.keep(fresh());
    await cache.read(record.id);
    const before = await calls('mget');
    const same = await Promise.all(Array.from({ length: 50 }, () => cache.read(record.id)));
    expect(new Set(same).size).toBe(1);
    expect((await calls('mget')) - before).toBe(1);
    await cache.read(record.id);
    expect((await calls('mget')) - before).toBe(2);
  });

  it('are asked for in one command if several are, and each gets its own', async () => {
    const records = Array.from({ length: 250 }, () => recordOf());
    const readAt = Date.now();
    for (const one of records) cache.keep(copyOf(one, readAt));
    await until(async () => (await client.exists(...records.map(keyOf))) === records.length);
    const before = await calls('mget');
    const found = await Promise.all([recordOf(), ...records].map(({ id }) => cache.read(id)));
    expect(found).toEqual([null, ...records.map((one) => ({ record: copiedOf(one), readAt }))]);
    expect((await calls('mget')) - before).toBe(3);
  });

  it('are written within bounds, and buried whatever else is written', async () => {
    backends.proxy.hold();
    const many = Array.from({ length: 600 }, () => recordOf());
    for (const one of many) cache.keep(copyOf(one, Date.now()));
    const burying = cache.bury([buried()]);
    backends.proxy.release();
    await burying;
    await until(async () => (await client.keys(`${backends.prefix}*`)).length >= 501);
    expect(await client.keys(`${backends.prefix}*`)).toHaveLength(501);
    expect(await stored()).toMatch(/^T:/);
    const ended = Array.from({ length: 1200 }, () => recordOf());
    // What a busy machine does not do within the time of a command is not tried again, which is for whoever buries.
    await until(async () => {
      await cache.bury(ended.map(buried));
      return (await client.keys(`${backends.prefix}*`)).length >= 1701;
    });
    expect(await client.keys(`${backends.prefix}*`)).toHaveLength(1701);
  });
});
