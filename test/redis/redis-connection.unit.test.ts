import { describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { type RedisSource, redis } from '../../lib/redis/index.js';
import { openConnection } from 'lib/redis-connection.js';

const SECRET = 'hunter2';
const OWN = { enableOfflineQueue: false, maxRetriesPerRequest: 0, lazyConnect: true, socketTimeout: 1000 };

const opened = (source: RedisSource) => {
  const { client, isOwn } = openConnection(source);
  client.disconnect();
  return { client, isOwn, options: client.options as Record<string, unknown> };
};
const refusalOf = (source: unknown) => {
  try {
    opened(source as RedisSource);
  } catch (error) {
    return error as { code: string; message: string };
  }
  return null;
};

describe('a URL', () => {
  it.each([
    ['redis://localhost', { host: 'localhost' }],
    ['redis://127.0.0.1:7000', { host: '127.0.0.1', port: 7000 }],
    ['redis://127.0.0.1:7000/3', { port: 7000, db: 3 }],
    [`redis://user:${SECRET}%40x@127.0.0.1:7000/`, { username: 'user', password: `${SECRET}@x` }],
    [`redis://:${SECRET}@127.0.0.1:7000`, { password: SECRET }],
    ['redis://[::1]:7000', { host: '::1', port: 7000 }],
    ['rediss://127.0.0.1:7000', { port: 7000, tls: true }],
    [
      `redis+sentinel://user:${SECRET}@127.0.0.1:7000,[::1]:7001/main`,
      {
        sentinels: [
          { host: '127.0.0.1', port: 7000 },
          { host: '::1', port: 7001 },
        ],
        name: 'main',
        username: 'user',
        password: SECRET,
      },
    ],
  ])('%s names a server', (url, expected) => {
    const { isOwn, options } = opened(url);
    expect(options).toMatchObject({ ...OWN, ...expected });
    expect(isOwn).toBe(true);
  });

  it.each(['redis+cluster', 'rediss+cluster'])('%s names a cluster, of which only masters are read', (scheme) => {
    const { client, options } = opened(`${scheme}://:${SECRET}@127.0.0.1:7000,localhost:7001`);
    expect(client).toBeInstanceOf(Cluster);
    expect(options).toMatchObject({ scaleReads: 'master', enableOfflineQueue: false });
    expect(options.redisOptions).toMatchObject({ password: SECRET, maxRetriesPerRequest: 0 });
    expect('tls' in (options.redisOptions as object)).toBe(scheme === 'rediss+cluster');
  });

  it.each([
    '',
    'localhost:6379',
    `http://:${SECRET}@127.0.0.1`,
    `REDIS://:${SECRET}@127.0.0.1`,
    `redis:/:${SECRET}@127.0.0.1`,
    `redis://:${SECRET}@`,
    `redis://:${SECRET}@127.0.0.1:70000`,
    `redis://:${SECRET}@127.0.0.1/x`,
    `redis://:${SECRET}@127.0.0.1/1/2`,
    `redis://:${SECRET}%zz@127.0.0.1`,
    `redis://:${SECRET}@127.0.0.1?role=slave`,
    `redis://:${SECRET}@127.0.0.1?maxRetriesPerRequest=20`,
    `redis://:${SECRET}@127.0.0.1/0?keyPrefix=x`,
    `redis+cluster://:${SECRET}@127.0.0.1`,
    `redis+cluster://:${SECRET}@127.0.0.1:0`,
    `redis+cluster://:${SECRET}@127.0.0.1:7000,`,
    `redis+cluster://:${SECRET}@127.0.0.1:7000/1`,
    `redis+sentinel://:${SECRET}@127.0.0.1:7000`,
    `redis+sentinel://:${SECRET}@127.0.0.1:7000/`,
    `redis+sentinel://:${SECRET}@127.0.0.1:7000/main?role=slave`,
    `redis+sentinel://:${SECRET}@127.0.0.1:7000/main/1`,
    `redis+other://:${SECRET}@127.0.0.1:7000`,
    ` redis://:${SECRET}@127.0.0.1`,
  ])('%s is refused, and not repeated', (url) => {
    const refusal = refusalOf(url);
    expect(refusal).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('redis://HOST:PORT'),
    });
    expect(JSON.stringify(refusal) + refusal!.message).not.toMatch(/hunter2|127\.0\.0\.1/);
  });
});

describe('what is no URL', () => {
  it.each([[null], [undefined], [7], [true]])('is refused where it is %j', (source) => {
    expect(refusalOf(source)).toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });

  it('may be options, whose own ideas of waiting do not count', () => {
    const given = {
      host: '127.0.0.1',
      port: 1,
      enableOfflineQueue: true,
      maxRetriesPerRequest: 20,
      lazyConnect: false,
    };
    const { isOwn, options } = opened(given);
    expect([isOwn, options]).toEqual([true, expect.objectContaining({ ...OWN, port: 1 })]);
    expect(given.maxRetriesPerRequest).toBe(20);
  });

  it.each([
    ['options of a replica', () => ({ host: '127.0.0.1', role: 'slave' as const })],
    ['options that read only', () => ({ host: '127.0.0.1', readOnly: true })],
    [
      'options of a replica behind sentinels',
      () => ({ sentinels: [{ port: 1 }], name: 'main', role: 'slave' as const }),
    ],
    ['a client of a replica', () => new Redis({ lazyConnect: true, role: 'slave' })],
    ['a client that reads only', () => new Redis({ lazyConnect: true, readOnly: true })],
    ['a cluster that reads from replicas', () => new Cluster([], { lazyConnect: true, scaleReads: 'slave' })],
    ['a cluster that reads from all', () => new Cluster([], { lazyConnect: true, scaleReads: 'all' })],
    ['a cluster that picks a node', () => new Cluster([], { lazyConnect: true, scaleReads: () => [] as never })],
  ])('A29, F29: is refused where it is %s', (_what, make) => {
    const refusal = { code: 'CONFIGURATION_INVALID', message: expect.stringContaining('masters') };
    expect(() => redis(make())).toThrow(expect.objectContaining(refusal));
  });

  it.each([
    [{ timeout: 'soon' as const }, 'redis.timeout'],
    [{ timeout: '1s' as const }, 'redis.timeout'],
    [{ timeuot: '1s' }, 'redis.timeuot'],
    [null, '"redis" must be an object'],
  ])('is used as nobody knows with %j', (use, named) => {
    const make = () => redis('redis://127.0.0.1:1', use as object).create({ verifyBudgetMs: 1000 } as never);
    expect(make).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining(named) }),
    );
  });
});
