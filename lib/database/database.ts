import type { EventEmitter } from 'node:events';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { LATE_COMMIT_MS } from '../core/membership.js';
import { SessionError, invalidOption } from '../core/session-error.js';
import { LONGEST_IDLE_MS } from './change-time.js';
import { type Dialect, type TransactionLimits, dialectOf } from './dialect.js';
import { type Engine, pause } from './engine.js';
import { MIGRATIONS_TABLE, migrate } from './migrate.js';
import { sessionMigrations } from './migrations/index.js';
import { type LaneWidths, PooledEngine } from './pooled-engine.js';
import { sql } from './sql.js';
import { type SqliteConnection, SqliteEngine } from './sqlite-engine.js';
import { type Tables, sessionEntities, tablesOf } from './tables.js';

export interface DatabaseSettings {
  /** The application's data source, or options of one. The library opens connections of its own from its options. */
  readonly source: DataSource | DataSourceOptions;
  readonly runMigrations: boolean;
  readonly lanes: LaneWidths;
  /** Longest time that any operation takes; the server gives up on a statement a second later. Milliseconds. */
  readonly budgetMs: number;
  /** Whether changes are dated by the clock of the database, so that one dated otherwise is refused. Default true. */
  readonly datesByDatabase?: boolean;
}

/** The library's own way to the database. */
export interface Database {
  readonly engine: Engine;
  readonly tables: Tables;
  /** Whether the database runs inside this process, so that it cannot be out while the process is not. */
  readonly embedded: boolean;
}

const BUSY_BOOT_MS = 10_000;
/** How much later than the caller the server gives up. */
const GIVE_UP_MS = 1000;
/** A change may be dated before it waits for its row, and has to be committed while the change log is still read from then on. */
const LONGEST_LOCK_WAIT_MS = LATE_COMMIT_MS - 5000;

/**
 * Connects, makes sure that the tables are there, and returns an engine for them.
 * @throws SessionError CONFIGURATION_INVALID, saying what to change
 */
export async function openDatabase(settings: DatabaseSettings): Promise<Database> {
  const options = optionsOf(settings.source);
  const dialect = {
    ...dialectOf(options.type),
    ...(settings.datesByDatabase === false && { changeTime: (at: number) => sql`${at}` }),
  };
  const dataSource = new DataSource(ownOptions(options, dialect, settings));
  surviveKilledConnections(dataSource);
  await connect(dataSource, dialect);
  try {
    if (dialect.engine === 'mysql') await limitSessions(dataSource, limitsOf(settings));
    const tables = tablesOf(dataSource);
    if (settings.runMigrations) await whileBusy(dialect, () => migrate(dataSource, dialect));
    const engine = makeEngine(dataSource, dialect, settings);
    await checkTables(engine, tables, settings);
    return { engine, tables, embedded: dialect.engine === 'sqlite' };
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

function limitsOf({ budgetMs }: DatabaseSettings): TransactionLimits {
  const giveUpMs = budgetMs + GIVE_UP_MS;
  return { lockWaitMs: Math.min(giveUpMs, LONGEST_LOCK_WAIT_MS), idleMs: Math.min(giveUpMs, LONGEST_IDLE_MS) };
}

function optionsOf(source: DataSource | DataSourceOptions): DataSourceOptions {
  const options = isDataSource(source) ? source.options : source;
  if (!options || typeof options !== 'object' || typeof options.type !== 'string') {
    throw invalidOption('database', 'must be a TypeORM DataSource or the options of one');
  }
  return options;
}

/** Not by instanceof: the application may have another copy of TypeORM. */
function isDataSource(source: DataSource | DataSourceOptions): source is DataSource {
  return typeof (source as DataSource | undefined)?.initialize === 'function';
}

/** The application's connection settings with nothing of its schema, and with limits on how long anything may hang. */
function ownOptions(options: DataSourceOptions, dialect: Dialect, settings: DatabaseSettings): DataSourceOptions {
  const own = {
    ...options,
    name: undefined,
    entities: [...sessionEntities],
    migrations: [...sessionMigrations],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsRun: false,
    subscribers: [],
    synchronize: false,
    dropSchema: false,
    namingStrategy: undefined,
    cache: false,
    logging: false,
    // A logger of the application's would be called all the same.
    logger: undefined,
    maxQueryExecutionTime: undefined,
    poolErrorHandler: undefined,
    poolSize: Object.values(settings.lanes).reduce((sum: number, width: number) => sum + width, 0),
  };
  const giveUpMs = settings.budgetMs + GIVE_UP_MS;
  const extra = (options as { extra?: object }).extra;
  switch (dialect.engine) {
    case 'sqlite':
      // Waiting for a lock happens on timers; the driver would wait on the event loop.
      return { ...own, timeout: 0, enableWAL: true } as unknown as DataSourceOptions;
    case 'postgres':
      return {
        ...own,
        connectTimeoutMS: Math.min(2000, settings.budgetMs),
        extra: {
          keepAlive: true,
          // A version of the driver that does not know this sends each statement when the one before is answered.
          pipeline: true,
          statement_timeout: giveUpMs,
          lock_timeout: limitsOf(settings).lockWaitMs,
          ...extra,
        },
      } as unknown as DataSourceOptions;
    case 'mysql':
      return { ...own, connectTimeout: Math.min(2000, settings.budgetMs), extra } as unknown as DataSourceOptions;
  }
}

async function connect(dataSource: DataSource, dialect: Dialect): Promise<void> {
  try {
    await whileBusy(dialect, async () => {
      await dataSource.initialize();
    });
  } catch (cause) {
    throw new SessionError(
      'CONFIGURATION_INVALID',
      `SessionModule cannot connect to its database (${(cause as Error).message}). Check the DataSource that it was given.`,
      { cause },
    );
  }
}

/**
 * An `error` event without a listener ends the process, and `pg` has none from when its pool hands a new client out until TypeORM
 * listens: a server that ends a connection then ended the application. Before the pool is made, since that is when it opens its first.
 */
function surviveKilledConnections({ driver }: DataSource): void {
  const pg = driver as unknown as { postgres?: { readonly Pool: new (options: object) => EventEmitter } };
  if (!pg.postgres) return;
  const { Pool } = pg.postgres;
  class ListeningPool extends Pool {
    constructor(options: object) {
      super(options);
      this.on('connect', (client: EventEmitter) => client.on('error', () => undefined));
    }
  }
  pg.postgres = Object.create(pg.postgres, { Pool: { value: ListeningPool } }) as typeof pg.postgres;
}

/**
 * MySQL has no connection parameters for these. Its default for locks is 50 s: for so long a transaction whose client has gone would
 * keep those that it has while it waits for one more. Only MariaDB, which alone reads the second half, can end idle transactions.
 */
async function limitSessions(dataSource: DataSource, { lockWaitMs, idleMs }: TransactionLimits): Promise<void> {
  const idle = Math.ceil(idleMs / 1000);
  const statement = `SET SESSION innodb_lock_wait_timeout = ${Math.ceil(lockWaitMs / 1000)}
    /*M!100300 , idle_transaction_timeout = ${idle}, idle_write_transaction_timeout = ${idle} */`;
  const { pool } = dataSource.driver as unknown as { pool: MysqlPool };
  pool.on('connection', (connection) => {
    // The pool listens for one error of a connection, and TypeORM only where nobody does.
    connection.on('error', () => undefined);
    connection.query(statement, (error: unknown) => error && connection.destroy());
  });
  // The one connection that there is by now was opened before the listener was there.
  await dataSource.query(statement);
}

/** The part of a pool of `mysql2` that is used here. */
interface MysqlPool {
  on(event: 'connection', listener: (connection: MysqlConnection) => void): void;
}

interface MysqlConnection extends EventEmitter {
  query(statement: string, done: (error: unknown) => void): void;
  destroy(): void;
}

/** Several processes may open a new SQLite file at once; all but one find it locked for a moment. */
async function whileBusy(dialect: Dialect, work: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + BUSY_BOOT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!dialect.isTransient(error) || performance.now() > deadline) throw error;
    }
    await pause(attempt);
  }
}

function makeEngine(dataSource: DataSource, dialect: Dialect, settings: DatabaseSettings): Engine {
  if (dialect.engine !== 'sqlite') {
    return new PooledEngine(dataSource, dialect, settings.lanes, limitsOf(settings));
  }
  const { databaseConnection } = dataSource.driver as unknown as { databaseConnection: SqliteConnection };
  // In WAL mode this survives the end of the process at any moment, and syncs at checkpoints only: a sync for every commit
  // would hold up the event loop for as long as the disk takes.
  databaseConnection.exec('PRAGMA synchronous = NORMAL');
  const { source } = settings;
  // TypeORM runs all of an application's work on SQLite through one query runner, which knows of its transaction.
  const driver = (isDataSource(source) ? source.driver : {}) as { queryRunner?: { isTransactionActive: boolean } };
  const isApplicationBusy = () => driver.queryRunner?.isTransactionActive === true;
  return new SqliteEngine(databaseConnection, dialect, isApplicationBusy, () => dataSource.destroy());
}

async function checkTables(engine: Engine, tables: Tables, settings: DatabaseSettings): Promise<void> {
  for (const table of Object.values(tables) as Tables[keyof Tables][]) {
    try {
      await engine.read(sql`SELECT 1 FROM ${table} WHERE 1 = 0`, { lane: 'control', budgetMs: settings.budgetMs });
    } catch (cause) {
      throw new SessionError(
        'CONFIGURATION_INVALID',
        `The table ${table.render(() => '?')} cannot be read. Leave the option "runMigrations" on, or add sessionMigrations ` +
          'to the migrations of your DataSource and run them.',
        { cause },
      );
    }
  }
}
