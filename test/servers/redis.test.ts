import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type RedisServer,
  redisCommand,
  redisPrefix,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

describe('one server', () => {
  let dir: string;
  const started: RedisServer[] = [];
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'session-test-'));
  });
  afterAll(async () => {
    await Promise.all(started.map((server) => server.stop()));
    rmSync(dir, { recursive: true });
  });

  it('comes back on its port with what it had saved, after a crash', async () => {
    const first = await startRedis({ dir });
    started.push(first);
    await redisCommand(first.port, 'SET', 'saved', 'yes');
    await redisCommand(first.port, 'SAVE');
    await redisCommand(first.port, 'SET', 'unsaved', 'yes');
    await first.kill();
    await expect(redisCommand(first.port, 'PING')).rejects.toThrow('ECONNREFUSED');
    const second = await startRedis({ dir, port: first.port });
    started.push(second);
    expect(second.url).toBe(first.url);
    expect(await redisCommand(second.port, 'MGET', 'saved', 'unsaved')).toEqual(['yes', null]);
  });

  it('takes settings and lets tests debug it', async () => {
    const server = await startRedis({ args: ['--maxmemory', '10mb', '--appendonly', 'yes'] });
    started.push(server);
    const settings = await redisCommand(server.port, 'CONFIG', 'GET', 'maxmemory', 'appendonly', 'save');
    expect(settings).toEqual(expect.arrayContaining(['10485760', 'yes', '']));
    expect(await redisCommand(server.port, 'DEBUG', 'SLEEP', '0')).toBe('OK');
  });
});

it('a cluster keeps keys on every master', async () => {
  const cluster = await startRedisCluster({ masters: 3 });
  try {
    const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
    for (const [index, port] of cluster.ports.entries()) {
      const slots = await Promise.all(keys.map((key) => redisCommand(port, 'CLUSTER', 'KEYSLOT', key)));
      const mine = keys[slots.findIndex((slot) => Math.floor((3 * Number(slot)) / 16_384) === index)]!;
      expect(await redisCommand(port, 'SET', mine, index)).toBe('OK');
      expect(await redisCommand(port, 'GET', mine)).toBe(String(index));
      await expect(redisCommand(cluster.ports[(index + 1) % 3]!, 'GET', mine)).rejects.toThrow(`MOVED`);
    }
  } finally {
    await cluster.stop();
  }
});

it('sentinels put the replica in the place of a crashed master within ten seconds', async () => {
  const { sentinels, name, master, replica, stop } = await startRedisSentinel();
  try {
    const masterSeenBy = (port: number) => redisCommand(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
    expect(await masterSeenBy(sentinels[0]!)).toEqual(['127.0.0.1', String(master.port)]);
    await master.kill();
    await until(async () => {
      const seen = (await Promise.all(sentinels.map(masterSeenBy))) as [string, string][];
      return seen.every(([, port]) => port === String(replica.port));
    }, 10_000);
    expect(await redisCommand(replica.port, 'SET', 'after', 'failover')).toBe('OK');
  } finally {
    await stop();
  }
});

describe('the proxy', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let key: string;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await TcpProxy.start(Number(new URL(server.url).port));
    key = redisPrefix();
  });
  afterEach(() => proxy.close());

  /** A command on its way, whose end can be looked at. */
  const send = (...args: string[]) => {
    const state = { settled: false, reply: redisCommand(proxy.port, ...args) };
    const settle = () => (state.settled = true);
    state.reply.then(settle, settle);
    return state;
  };
  const stored = () => redisCommand(Number(new URL(server.url).port), 'GET', key);

  it('passes on what comes', async () => {
    const big = 'é'.repeat(500_000);
    expect(await send('SET', key, big).reply).toBe('OK');
    expect(await send('GET', key).reply).toBe(big);
    await until(() => proxy.open === 0);
    expect([proxy.accepted, proxy.refused]).toEqual([2, 0]);
  });

  it('delays both directions', async () => {
    proxy.delay(50);
    const began = performance.now();
    expect(await send('PING').reply).toBe('PONG');
    expect(performance.now() - began).toBeGreaterThanOrEqual(99);
  });

  it.each([
    ['requests', () => proxy.hold(), null],
    ['replies', () => proxy.holdReplies(), 'done'],
  ])('holds %s and releases them', async (_what, hold, meanwhile) => {
    hold();
    const command = send('SET', key, 'done');
    await until(() => proxy.waiting > 0);
    expect([await stored(), command.settled]).toEqual([meanwhile, false]);
    proxy.release();
    expect([await command.reply, await stored()]).toEqual(['OK', 'done']);
  });

  it('keeps the end of a connection to itself while it holds', async () => {
    const server = await startRedis();
    try {
      const own = await TcpProxy.start(server.port);
      own.hold();
      const command = redisCommand(own.port, 'PING').catch((error: Error) => error);
      await until(() => own.waiting > 0);
      await server.kill();
      expect(own.open).toBe(1);
      own.release();
      expect(await command).toBeInstanceOf(Error);
      await until(() => own.open === 0);
      await own.close();
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['replies until it cuts, and the server has done its work', () => proxy.swallowReplies(), 'done'],
    ['what is held when it cuts', () => proxy.hold(), null],
  ])('loses %s', async (_what, lose, meanwhile) => {
    lose();
    const command = send('SET', key, 'done');
    await until(() => proxy.swallowed + proxy.waiting > 0);
    expect([await stored(), command.settled]).toEqual([meanwhile, false]);
    proxy.cut();
    await expect(command.reply).rejects.toThrow('ECONNRESET');
    proxy.release();
    expect([await send('GET', key).reply, await stored()]).toEqual([meanwhile, meanwhile]);
  });

  it('refuses new connections', async () => {
    proxy.refuse(true);
    await expect(send('PING').reply).rejects.toThrow('ECONNRESET');
    proxy.refuse(false);
    expect(await send('PING').reply).toBe('PONG');
    expect([proxy.accepted, proxy.refused]).toEqual([1, 1]);
  });
});
