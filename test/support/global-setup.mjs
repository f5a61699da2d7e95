import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import { startRedis } from '../../tools/servers/redis.mjs';
import { startRedisCluster } from '../../tools/servers/redis-cluster.mjs';

/** Starts the servers of a test run and says which they are. */
export default async function globalSetup() {
  const [postgres, mariadb, redis] = await Promise.all([startPostgres(), startMariadb(), startRedis()]);
  globalThis.testServers = [postgres, mariadb, redis];
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_MARIADB_URL = mariadb.url;
  process.env.TEST_REDIS_URL = redis.url;
  process.env.TEST_REDIS_PROGRAMS = JSON.stringify(redis.program); // tests start more of them, without looking again
  const suite = await redisOfSuite(redis);
  const lines = Object.entries({ PostgreSQL: postgres, MariaDB: mariadb, Redis: redis }).map(
    ([name, { version, source }]) => `${name} ${version} from ${source}`,
  );
  console.log(`\n${lines.join('\n')}\nRedis in all tests: ${suite}\nTypeORM: ${process.env.TEST_TYPEORM ?? '1'}`);
}

/** The Redis that every module of every test uses, where the run is to show that all of it holds with one. */
async function redisOfSuite(standalone) {
  const kind = process.env.TEST_REDIS;
  if (!kind) return 'none';
  if (kind === 'standalone') {
    process.env.TEST_SUITE_REDIS_URL = standalone.url;
  } else if (kind === 'cluster') {
    const cluster = await startRedisCluster({ masters: 3 });
    globalThis.testServers.push(cluster);
    process.env.TEST_SUITE_REDIS_URL = cluster.url;
  } else {
    throw new Error('TEST_REDIS must be standalone or cluster, or not set.');
  }
  return kind;
}
