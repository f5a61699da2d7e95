import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SharedBackend } from 'lib/shared-cache.js';
import { tombstoneOf } from 'lib/session-change.js';
import { copyOf, endedRecord, recordOf } from '../cache/records.js';
import { Redis } from 'ioredis';
import { redisCommand, startRedis } from '../support/redis.js';
import { until } from '../support/until.js';
import { useBackends } from './backends.js';

/** Longest time that a command may take, and what a busy machine may add to it. */
const TIMEOUT = 150;
const SLACK = 1500;

describe('a Redis that does not answer', () => {
  const backends = useBackends(false);
  let backend: SharedBackend;
  let warnings: readonly string[];
  const id = recordOf().id;
  const read = async () => {
    const began = performance.now();
    const error = await backend.cache.read(id).then(
      () => null,
      (reason: Error) => reason.message,
    );
    return { error, took: performance.now() - began };
  };

  beforeEach(async () => {
    ({ backend, warnings } = await backends.startThroughProxy({ timeout: `${TIMEOUT}ms` }));
  });

  it('M15: holds nobody up for longer than the time that a command may take', async () => {
    backends.proxy.hold();
    const { error, took } = await read();
    expect(error).toContain('did not answer within 150 ms');
    expect(took).toBeGreaterThanOrEqual(TIMEOUT - 5);
    expect(took).toBeLessThan(TIMEOUT + SLACK);
    const began = performance.now();
    backend.cache.keep(copyOf(recordOf(), Date.now()));
    await backend.cache.bury([tombstoneOf(endedRecord())!]);
    await backend.messenger.send('text');
    await backend.messenger.answer('nobody', 'text');
    expect(performance.now() - began).toBeLessThan(4 * TIMEOUT + SLACK);
  });

  it('that is gone is told of once, and used again by itself', async () => {
    await backends.server.kill();
    await until(() => backend.state === 'down' && !backend.messenger.isConnected);
    expect((await read()).error).toMatch(/No connection|circuit breaker is open/);
    await until(() => warnings.length > 0);
    backends.server = await startRedis({ port: backends.server.port });
    await until(() => backend.state === 'up' && backend.messenger.isConnected);
    expect((await read()).error).toBeNull();
    expect(warnings.filter((text) => text.includes('is unavailable'))).toHaveLength(1);
  });

  it('is tried again by one read alone, for which no other one waits', async () => {
    // A client of the application's, which gives no connection up.
    const client = new Redis(backends.proxy.port);
    ({ backend } = await backends.start(client, { timeout: `${TIMEOUT}ms` }));
    backends.proxy.hold();
    while (backend.state === 'up') await read();
    await until(() => backend.state === 'probing');
    const reads = await Promise.allSettled(Array.from({ length: 10 }, () => backend.cache.read(recordOf().id)));
    client.disconnect();
    const reasons = reads.map((one) => String((one as PromiseRejectedResult).reason));
    expect(reasons.filter((reason) => reason.includes('within 150 ms'))).toHaveLength(1);
    expect(reasons.filter((reason) => reason.includes('circuit breaker is open'))).toHaveLength(9);
  });

  it('M16: does nothing twice where only a reply was lost', async () => {
    await redisCommand(backends.server.port, 'CONFIG', 'RESETSTAT');
    backends.proxy.swallowReplies();
    const writing = backend.cache.bury([tombstoneOf(endedRecord())!]);
    await until(() => backends.proxy.swallowed > 0);
    backends.proxy.cut();
    await writing;
    await until(() => backend.state === 'up');
    await read();
    const stats = String(await redisCommand(backends.server.port, 'INFO', 'commandstats'));
    const calls = [...stats.matchAll(/cmdstat_(?:eval|evalsha):calls=(\d+)/g)].map(([, count]) => Number(count));
    expect(calls.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('that has become a replica is left, for the one that took its place', async () => {
    const other = await startRedis();
    try {
      const accepted = backends.proxy.accepted;
      await redisCommand(backends.server.port, 'REPLICAOF', '127.0.0.1', other.port);
      await backend.cache.bury([tombstoneOf(endedRecord())!]);
      await until(() => backends.proxy.accepted > accepted);
      await redisCommand(backends.server.port, 'REPLICAOF', 'NO', 'ONE');
      await until(async () => backend.state === 'up' && (await read()).error === null);
    } finally {
      await other.stop();
    }
  });

  it('from the start keeps nothing from starting, nor from ending', async () => {
    backends.proxy.refuse(true);
    backends.proxy.cut();
    const { backend: late } = await backends.startThroughProxy({}, { waits: false });
    expect([late.state, late.messenger.isConnected]).toEqual(['down', false]);
    await expect(late.cache.read(id)).rejects.toThrow('No connection');
    await late.cache.bury([tombstoneOf(endedRecord())!]);
    await late.stop();
    backends.proxy.refuse(false);
    const { backend: second } = await backends.startThroughProxy();
    expect(await second.cache.read(id)).toBeNull();
  });
});
