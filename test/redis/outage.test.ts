import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SharedBackend } from 'lib/shared-cache.js';
import { tombstoneOf } from 'lib/session-change.js';
import { copyOf, endedRecord, recordOf } from '../cache/records.js';
import { type RedisServer, redisCommand, redisPrefix, startRedis } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { Backends } from './backends.js';

/** Longest time that a command may take, and what a busy machine may add to it. */
const TIMEOUT = 150;
const SLACK = 1500;

describe('a Redis that does not answer', () => {
  const backends = new Backends();
  let server: RedisServer;
  let proxy: TcpProxy;
  let backend: SharedBackend;
  let warnings: readonly string[];
  const prefix = redisPrefix();
  const id = recordOf().id;
  /** How long until a read has come to an end, and how. */
  const read = async () => {
    const began = performance.now();
    const error = await backend.cache.read(id).then(
      () => null,
      (reason: Error) => reason.message,
    );
    return { error, took: performance.now() - began };
  };

  beforeEach(async () => {
    server = await startRedis();
    proxy = await TcpProxy.start(server.port);
    ({ backend, warnings } = await backends.start(`redis://127.0.0.1:${proxy.port}`, {
      prefix,
      timeout: `${TIMEOUT}ms`,
    }));
  });
  afterEach(async () => {
    proxy.release();
    proxy.refuse(false);
    await backends.stop();
    await proxy.close();
    await server.stop();
  });

  it('M15: holds nobody up for longer than the time that a command may take', async () => {
    proxy.hold();
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
    await server.kill();
    await until(() => backend.state === 'down' && !backend.messenger.isConnected);
    expect((await read()).error).toMatch(/No connection|circuit breaker is open/);
    await until(() => warnings.length > 0);
    server = await startRedis({ port: server.port });
    await until(() => backend.state === 'up' && backend.messenger.isConnected);
    expect((await read()).error).toBeNull();
    expect(warnings.filter((text) => text.includes('is unavailable'))).toHaveLength(1);
  });

  it('M16: does nothing twice where only a reply was lost', async () => {
    await redisCommand(server.port, 'CONFIG', 'RESETSTAT');
    proxy.swallowReplies();
    const writing = backend.cache.bury([tombstoneOf(endedRecord())!]);
    await until(() => proxy.swallowed > 0);
    proxy.cut();
    await writing;
    await until(() => backend.state === 'up');
    await read();
    const stats = String(await redisCommand(server.port, 'INFO', 'commandstats'));
    const calls = [...stats.matchAll(/cmdstat_(?:eval|evalsha):calls=(\d+)/g)].map(([, count]) => Number(count));
    expect(calls.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('that has become a replica is left, for the one that took its place', async () => {
    const other = await startRedis();
    try {
      const accepted = proxy.accepted;
      await redisCommand(server.port, 'REPLICAOF', '127.0.0.1', other.port);
      await backend.cache.bury([tombstoneOf(endedRecord())!]);
      await until(() => proxy.accepted > accepted);
      await redisCommand(server.port, 'REPLICAOF', 'NO', 'ONE');
      await until(async () => backend.state === 'up' && (await read()).error === null);
    } finally {
      await other.stop();
    }
  });

  it('from the start keeps nothing from starting, nor from ending', async () => {
    proxy.refuse(true);
    proxy.cut();
    const { backend: late } = await backends.start(`redis://127.0.0.1:${proxy.port}`, { prefix }, { waits: false });
    expect([late.state, late.messenger.isConnected]).toEqual(['down', false]);
    await expect(late.cache.read(id)).rejects.toThrow('No connection');
    await late.cache.bury([tombstoneOf(endedRecord())!]);
    await late.stop();
    proxy.refuse(false);
    const { backend: second } = await backends.start(`redis://127.0.0.1:${proxy.port}`, { prefix });
    expect(await second.cache.read(id)).toBeNull();
  });
});
