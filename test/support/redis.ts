import { randomBytes } from 'node:crypto';
import { startRedis as startOne } from '../../tools/servers/redis.mjs';
import { startRedisCluster as startCluster } from '../../tools/servers/redis-cluster.mjs';
import { startRedisSentinel as startSentinel } from '../../tools/servers/redis-sentinel.mjs';
import { shareRedisProgram } from './servers.js';

export { redisCommand } from '../../tools/servers/resp.mjs';
export type { RedisServer } from '../../tools/servers/redis.mjs';
export type { RedisCluster } from '../../tools/servers/redis-cluster.mjs';
export type { RedisSentinel } from '../../tools/servers/redis-sentinel.mjs';

// Real servers, each started within tens of milliseconds with the program that the test run has found. Who starts stops.
export const startRedis = onceFound(startOne);
export const startRedisCluster = onceFound(startCluster);
export const startRedisSentinel = onceFound(startSentinel);

/** A key prefix that no other test has, as some share one server. */
export function redisPrefix(): string {
  return `test-${randomBytes(6).toString('hex')}:`;
}

function onceFound<A extends unknown[], S>(start: (...args: A) => Promise<S>): (...args: A) => Promise<S> {
  return async (...args) => {
    await shareRedisProgram();
    return start(...args);
  };
}
