import {
  type DataSource,
  type DataSourceOptions,
  MigrationExecutor,
  type MigrationInterface,
  type QueryRunner,
} from 'typeorm';
import { withDeadline } from '../../async/deadline.js';
import { SessionError } from '../../model/session-error.js';
import type { Dialect } from '../engine/dialect.js';
import { type SqliteConnection, inTransaction } from '../engine/sqlite-engine.js';
import { CreateTables } from './migrations/create-tables.js';
import { quotedTable, tableName } from './table-names.js';

/** All migrations of the library, for the `migrations` of an application that wants to run them itself. */
export const sessionMigrations = [CreateTables] as const;

/** Any number that nothing else in the database uses for an advisory lock. */
const LOCK_KEY = 7_305_221_901;
/** Name of the lock on MySQL and MariaDB, together with that of the database. */
const LOCK_NAME = 'latchkey_migration';
/** Table in which TypeORM notes which migrations have run. */
const MIGRATIONS = 'migration';

/** Options of a DataSource that runs the migrations, and notes them in a table of the library's own. */
export function migrationOptions(options: DataSourceOptions) {
  return { migrations: [...sessionMigrations], migrationsTableName: tableName(options, MIGRATIONS) };
}

/** Time limits of waiting for another process that migrates the same tables, and of the migrations. Milliseconds. */
export interface MigrationLimits {
  readonly lockMs: number;
  readonly migrationsMs: number;
}

export const MIGRATION_LIMITS: MigrationLimits = { lockMs: 60_000, migrationsMs: 600_000 };
const SILENT_MS = 2000;
const LOOK_MS = 100;

/** Runs the pending migrations. Nodes that start together take turns. @param warn is told what it waits for */
export function migrate(
  dataSource: DataSource,
  dialect: Dialect,
  { lockMs, migrationsMs } = MIGRATION_LIMITS,
  warn: (message: string) => void = () => undefined,
): Promise<void> {
  if (dialect.engine === 'sqlite') return migrateFile(dataSource);
  const late = () =>
    new SessionError(
      'CONFIGURATION_INVALID',
      `The migrations of SessionModule have not ended after ${migrationsMs / 1000} s. Run sessionMigrations beforehand, and set ` +
        'the option "runMigrations" to false.',
    );
  return withDeadline(migrateServer(dataSource, dialect, { lockMs, migrationsMs }, warn), lockMs + migrationsMs, late);
}

async function migrateServer(
  dataSource: DataSource,
  dialect: Dialect,
  { lockMs, migrationsMs }: MigrationLimits,
  warn: (message: string) => void,
): Promise<void> {
  // On MariaDB a name counts for the whole server, and may have 64 characters.
  const name = `LEFT(CONCAT('${LOCK_NAME}.', DATABASE()), 64)`;
  const [lock, unlock] =
    dialect.engine === 'postgres'
      ? [`pg_try_advisory_lock(${LOCK_KEY})`, `pg_advisory_unlock(${LOCK_KEY})`]
      : [`GET_LOCK(${name}, 0)`, `RELEASE_LOCK(${name})`];
  const holder = dataSource.createQueryRunner();
  try {
    await takeLock(holder, lock, lockMs, warn);
    try {
      // An index of a large table takes longer than any statement that a request waits for.
      if (dialect.engine === 'postgres') await holder.query(`SET statement_timeout = ${migrationsMs}`);
      // On the connection that holds the lock. DataSource.runMigrations takes another, and keeps it when it fails.
      const executor = new MigrationExecutor(dataSource, holder);
      executor.transaction = 'each';
      await executor.executePendingMigrations();
    } finally {
      if (dialect.engine === 'postgres') await holder.query('RESET statement_timeout').catch(() => undefined);
      await holder.query(`SELECT ${unlock}`).catch(() => undefined);
    }
  } finally {
    await holder.release();
  }
}

/** Polls: the statement limit is not meant for the wait. */
async function takeLock(holder: QueryRunner, lock: string, limitMs: number, warn: (message: string) => void) {
  const begunAt = performance.now();
  for (let isSaid = false; ;) {
    const [row] = (await holder.query(`SELECT ${lock} AS taken`)) as { taken: unknown }[];
    if (Number(row?.taken) === 1) return;
    const waitedMs = performance.now() - begunAt;
    if (waitedMs >= limitMs) {
      throw new SessionError(
        'CONFIGURATION_INVALID',
        `Another process has held the lock of SessionModule's migrations for ${limitMs / 1000} s (${lock}). End the process, or ` +
          'its connection to the database, or run sessionMigrations beforehand and set the option "runMigrations" to false.',
      );
    }
    if (!isSaid && waitedMs >= SILENT_MS) warn(`Waiting for another process that migrates the tables (${lock}).`);
    isSaid ||= waitedMs >= SILENT_MS;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Runs each migration in one go: TypeORM would keep the file locked over many turns of an event loop that is busy booting. */
async function migrateFile(dataSource: DataSource): Promise<void> {
  const { databaseConnection: connection } = dataSource.driver as unknown as { databaseConnection: SqliteConnection };
  for (const migration of dataSource.migrations) {
    const name = migration.name ?? migration.constructor.name;
    if (hasRun(connection, dataSource, name)) continue;
    runInOneGo(connection, dataSource, name, await statementsOf(dataSource, migration));
  }
}

/** Collects the statements of a migration. No migration reads: the data may have changed by the time it runs. */
async function statementsOf(dataSource: DataSource, migration: MigrationInterface): Promise<readonly string[]> {
  const statements: string[] = [];
  const query = (statement: string) => Promise.resolve(statements.push(statement));
  await migration.up({ dataSource, connection: dataSource, query } as unknown as QueryRunner);
  return statements;
}

function runInOneGo(
  connection: SqliteConnection,
  dataSource: DataSource,
  name: string,
  statements: readonly string[],
): void {
  inTransaction(connection, () => {
    if (hasRun(connection, dataSource, name)) return;
    const table = quotedTable(dataSource, MIGRATIONS);
    // As TypeORM makes it, whose own tools may look at it.
    connection.exec(`CREATE TABLE IF NOT EXISTS ${table} ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
      "timestamp" bigint NOT NULL, "name" varchar NOT NULL)`);
    for (const statement of statements) connection.exec(statement);
    const note = connection.prepare(`INSERT INTO ${table} ("timestamp", "name") VALUES (?, ?)`);
    note.run([Number(/\d{13}$/.exec(name)?.[0]), name]);
  });
}

function hasRun(connection: SqliteConnection, dataSource: DataSource, name: string): boolean {
  const table = connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  if (table.all([tableName(dataSource.options, MIGRATIONS)]).length === 0) return false;
  const note = connection.prepare(`SELECT 1 FROM ${quotedTable(dataSource, MIGRATIONS)} WHERE name = ?`);
  return note.all([name]).length > 0;
}
