import { randomBytes } from 'node:crypto';

// Real servers, each started within tens of milliseconds with the program that global-setup.mjs found. Who starts stops.
export { startRedis } from '../../tools/servers/redis.mjs';
export { startRedisCluster } from '../../tools/servers/redis-cluster.mjs';
export { startRedisSentinel } from '../../tools/servers/redis-sentinel.mjs';
export { redisCommand } from '../../tools/servers/resp.mjs';
export type { RedisServer } from '../../tools/servers/redis.mjs';
export type { RedisCluster } from '../../tools/servers/redis-cluster.mjs';
export type { RedisSentinel } from '../../tools/servers/redis-sentinel.mjs';

/** A key prefix that no other test has, as all share one server. */
export function redisPrefix(): string {
  return `test-${randomBytes(6).toString('hex')}:`;
}
