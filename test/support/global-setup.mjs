import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';

/** Starts the database servers of a test run and says which they are. */
export default async function globalSetup() {
  const [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
  globalThis.testServers = [postgres, mariadb];
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_MARIADB_URL = mariadb.url;
  console.log(
    `\nPostgreSQL ${postgres.version} from ${postgres.source}\nMariaDB ${mariadb.version} from ${mariadb.source}`,
  );
}
