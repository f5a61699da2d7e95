import type { DataSource, MigrationInterface } from 'typeorm';
import type { Dialect } from './dialect.js';
import type { SqliteConnection } from './sqlite-engine.js';

/** Any number will do, as long as nothing else in the database uses it for an advisory lock. */
const LOCK_KEY = 7_305_221_901;
/** Where TypeORM notes which migrations have run; on MySQL also the name of the lock. */
export const MIGRATIONS_TABLE = 'user_session_migrations';

/** Runs the pending migrations. Nodes that start together take turns. */
export function migrate(dataSource: DataSource, dialect: Dialect): Promise<void> {
  return dialect.engine === 'sqlite' ? migrateFile(dataSource) : migrateServer(dataSource, dialect);
}

async function migrateServer(dataSource: DataSource, dialect: Dialect): Promise<void> {
  const [lock, unlock] =
    dialect.engine === 'postgres'
      ? [`SELECT pg_advisory_lock(${LOCK_KEY})`, `SELECT pg_advisory_unlock(${LOCK_KEY})`]
      : [`SELECT GET_LOCK('${MIGRATIONS_TABLE}', 60)`, `SELECT RELEASE_LOCK('${MIGRATIONS_TABLE}')`];
  const holder = dataSource.createQueryRunner();
  try {
    await holder.query(lock);
    await dataSource.runMigrations({ transaction: 'each' });
    await holder.query(unlock);
  } finally {
    await holder.release();
  }
}

/**
 * Each migration in one go: its statements are recorded first and run while nothing else happens in this process. TypeORM
 * would keep the file locked over many turns of an event loop that is busy booting, and every other process waiting.
 */
async function migrateFile(dataSource: DataSource): Promise<void> {
  const { databaseConnection: connection } = dataSource.driver as unknown as { databaseConnection: SqliteConnection };
  for (const migration of dataSource.migrations) {
    const name = migration.name ?? migration.constructor.name;
    const statements = await record(connection, dataSource, migration, name);
    if (statements) runInOneGo(connection, name, statements);
  }
}

/**
 * What a migration would run; null if it has run. All that it looks at is of one moment, whatever another process that
 * migrates the same file commits meanwhile.
 */
async function record(
  connection: SqliteConnection,
  dataSource: DataSource,
  migration: MigrationInterface,
  name: string,
): Promise<readonly string[] | null> {
  const runner = dataSource.createQueryRunner();
  connection.exec('BEGIN');
  try {
    if (hasRun(connection, name)) return null;
    runner.enableSqlMemory();
    await migration.up(runner);
    return runner.getMemorySql().upQueries.map(({ query }) => query);
  } finally {
    runner.clearSqlMemory();
    runner.disableSqlMemory();
    connection.exec('COMMIT');
  }
}

function runInOneGo(connection: SqliteConnection, name: string, statements: readonly string[]): void {
  connection.exec('BEGIN IMMEDIATE');
  try {
    if (!hasRun(connection, name)) {
      // As TypeORM makes it, whose own tools may look at it.
      connection.exec(`CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE} ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
        "timestamp" bigint NOT NULL, "name" varchar NOT NULL)`);
      for (const statement of statements) connection.exec(statement);
      const note = connection.prepare(`INSERT INTO ${MIGRATIONS_TABLE} ("timestamp", "name") VALUES (?, ?)`);
      note.run([Number(/\d{13}$/.exec(name)?.[0]), name]);
    }
    connection.exec('COMMIT');
  } catch (error) {
    connection.exec('ROLLBACK');
    throw error;
  }
}

function hasRun(connection: SqliteConnection, name: string): boolean {
  const table = connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  if (table.all([MIGRATIONS_TABLE]).length === 0) return false;
  return connection.prepare(`SELECT 1 FROM ${MIGRATIONS_TABLE} WHERE name = ?`).all([name]).length > 0;
}
