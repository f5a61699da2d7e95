import { DataSource } from 'typeorm';
import { dataSourceOptions, openDataSource } from '../../dist-sample/database/data-source.js';
import { PasswordHasher } from '../../dist-sample/users/password-hasher.js';
import { dialectOf } from '../../dist/esm/database/engine/dialect.js';
import { migrate, migrationOptions } from '../../dist/esm/database/schema/migrate.js';
import { sessionEntities } from '../../dist/esm/index.js';
import { loadDemo } from './load.mjs';

const PROGRESS_MS = 2000;
const PASSWORD = 'password';
const SQLITE_PRAGMAS = ['cache_size = -500000', 'synchronous = NORMAL', 'wal_autocheckpoint = 50000'];

/**
 * Fills a database with sessions, and says on the console what it does.
 *
 * @param {object} database as `parseDatabaseUrl` gives it
 * @param {import('./options.mjs').DemoOptions} options
 * @throws ConfigError if the database cannot be opened
 */
export async function fill(database, options) {
  const source = await open(database);
  const began = performance.now();
  const seconds = () => `${Math.round((performance.now() - began) / 1000)} s`;
  let told = began;
  const total = options.sessions + options.ended;
  const { sessions, ended, events, users } = await loadDemo(source, {
    ...options,
    now: Date.now(),
    passwordHash: await new PasswordHasher({ scryptCost: 14 }).hash(PASSWORD),
    onLock: () => console.log('So many are added in one step, for the end of which a running application has to wait.'),
    onProgress: (done) => {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      console.log(`${number(done.sessions + done.ended)} of ${number(total)} sessions, ${seconds()}`);
    },
  });
  await refreshStatistics(source);
  await source.destroy();
  console.log(
    `Added ${number(sessions)} live sessions, ${number(ended)} past ones and ${number(events)} events ` +
      `of ${number(users)} users in ${seconds()}.`,
  );
  const where = options.database === undefined ? 'npm start' : 'npm start, with DATABASE_URL naming the same database';
  console.log(`Next: ${where}; open /admin and sign in as admin / admin-password.`);
  console.log(`The users can sign in as well, such as olivia.smith, with the password ${PASSWORD}.`);
}

/** With the tables of the application and of the library. @throws ConfigError */
async function open(database) {
  await (await openDataSource(database, dataSourceOptions(database))).destroy();
  const { entities, ...rest } = dataSourceOptions(database);
  const source = new DataSource({
    ...rest,
    entities: [...entities, ...sessionEntities],
    ...migrationOptions(rest),
  });
  await source.initialize();
  await migrate(source, dialectOf(source.options.type));
  // Rows go to places all over the indexes: with a small cache, each of them is read from the file and written to it again.
  if (source.options.type === 'better-sqlite3') {
    for (const pragma of SQLITE_PRAGMAS) await source.query(`PRAGMA ${pragma}`);
  }
  return source;
}

/** So that the server plans its first queries with what is there now. */
async function refreshStatistics(source) {
  const tables = ['latchkey_session', 'latchkey_event', 'latchkey_account', 'latchkey_sighting'];
  const { type } = source.options;
  if (type === 'postgres') for (const table of tables) await source.query(`VACUUM ANALYZE ${table}`);
  if (type === 'mysql' || type === 'mariadb') await source.query(`ANALYZE TABLE ${tables.join(', ')}`);
}

function number(value) {
  return value.toLocaleString('en');
}
