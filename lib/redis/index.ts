export { redis } from './redis.js';

export type { RedisUse } from './redis.js';
export type { RedisSource } from './redis-connection.js';
