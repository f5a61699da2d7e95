import { afterEach, describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { tombstoneOf } from 'lib/session-change.js';
import { redis } from '../../lib/redis/index.js';
import { endedRecord } from '../cache/records.js';
import { redisCommand, redisPrefix, startRedisCluster } from '../support/redis.js';
import { until } from '../support/until.js';
import { type TestBackend, useBackends } from './backends.js';

describe('a client of the application', () => {
  const backends = useBackends();
  const clients: Redis[] = [];
  const client = (options: object = {}) => {
    const made = new Redis(backends.server.url, options);
    clients.push(made);
    return made;
  };
  /** Whether sessions get into Redis and out of it, and a message to all. */
  const works = async ({ backend, messages }: TestBackend) => {
    const tombstones = Array.from({ length: 20 }, () => tombstoneOf(endedRecord())!);
    await backend.cache.bury(tombstones);
    const found = await Promise.all(tombstones.map(({ sessionId }) => backend.cache.read(sessionId)));
    expect(found).toMatchObject(tombstones.map(({ sessionId }) => ({ sessionId })));
    await backend.messenger.send('text');
    await until(() => messages.includes('text'));
  };

  afterEach(() => {
    for (const one of clients.splice(0)) one.disconnect();
  });

  it('is used, and left open at the end', async () => {
    const own = client();
    await works(await backends.start(own));
    await backends.stop();
    expect(await own.ping()).toBe('PONG');
    expect([own.listenerCount('ready'), own.listenerCount('error')]).toEqual([0, 0]);
  });

  it.each([
    ['a client of the same kind', Redis],
    ['one of the version before', Redis5 as unknown as typeof Redis],
  ])('may add a prefix to keys, with which it meets %s that does the same', async (_what, Client) => {
    const other = new Client(backends.server.url, { keyPrefix: 'app:' });
    clients.push(other);
    const nodes = [await backends.start(other), await backends.start(client({ keyPrefix: 'app:' }))];
    for (const node of nodes) await works(node);
    await until(() => nodes.every(({ messages }) => messages.length === 2));
    const keys = (await redisCommand(backends.server.port, 'KEYS', '*')) as string[];
    expect(
      keys.filter((key) => key.includes(backends.prefix)).every((key) => key.startsWith(`app:${backends.prefix}`)),
    ).toBe(true);
  });

  it('that is not connected is waited for by nobody, and nothing is kept in its queue', async () => {
    const lazy = client({ lazyConnect: true });
    const node = await backends.start(lazy, {}, { waits: false });
    const { sessionId } = tombstoneOf(endedRecord())!;
    expect(node.backend.state).toBe('down');
    await expect(node.backend.cache.read(sessionId)).rejects.toThrow('No connection');
    expect(lazy.status).toBe('wait');
    await lazy.connect();
    await works(node);
  });

  it('and a URL, and options: each module has a connection of its own, and closes it', async () => {
    const count = async () =>
      String(await redisCommand(backends.server.port, 'CLIENT', 'LIST')).split('id=').length - 1;
    await until(async () => (await count()) === 1);
    const factory = redis(backends.server.url, { prefix: backends.prefix });
    const context = { realm: 'users', copyAgeMs: 1, tombstoneMs: 1, heartbeatMs: 1000, verifyBudgetMs: 1000 };
    const made = ['a', 'b'].map((nodeId) =>
      factory.create({ ...context, nodeId, warn: () => undefined, now: () => Date.now() }),
    );
    for (const one of made)
      one.start({ onMessage: () => undefined, onAnswer: () => undefined, onConnection: () => undefined });
    await until(() => made.every((one) => one.state === 'up' && one.messenger.isConnected));
    expect(await count()).toBe(5);
    await made[0]!.stop();
    await until(async () => (await count()) === 3);
    expect(made[1]!.state).toBe('up');
    await made[1]!.stop();
    await until(async () => (await count()) === 1);
    await works(await backends.start({ host: '127.0.0.1', port: backends.server.port }));
  });

  it('of a cluster works with all of its nodes, and so does its URL', async () => {
    const cluster = await startRedisCluster({ masters: 3 });
    const own = new Cluster([{ host: '127.0.0.1', port: cluster.ports[0]! }]);
    try {
      for (const source of [cluster.url, own]) {
        const node = await backends.start(source, { prefix: redisPrefix() });
        for (let index = 0; index < 20; index++) await works(node);
      }
      const sizes = await Promise.all(cluster.ports.map((port) => redisCommand(port, 'DBSIZE')));
      expect(Math.min(...sizes.map(Number))).toBeGreaterThan(0);
      await backends.stop();
      expect(own.status).toBe('ready');
    } finally {
      own.disconnect();
      await cluster.stop();
    }
  });
});
