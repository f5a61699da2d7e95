import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import { startRedis } from '../../tools/servers/redis.mjs';

/** Starts the servers of a test run and says which they are. */
export default async function globalSetup() {
  const [postgres, mariadb, redis] = await Promise.all([startPostgres(), startMariadb(), startRedis()]);
  globalThis.testServers = [postgres, mariadb, redis];
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_MARIADB_URL = mariadb.url;
  process.env.TEST_REDIS_URL = redis.url;
  process.env.TEST_REDIS_PROGRAMS = JSON.stringify(redis.program); // tests start more of them, without looking again
  const lines = Object.entries({ PostgreSQL: postgres, MariaDB: mariadb, Redis: redis }).map(
    ([name, { version, source }]) => `${name} ${version} from ${source}`,
  );
  console.log(`\n${lines.join('\n')}`);
}
