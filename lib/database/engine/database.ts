import { DataSource, type DataSourceOptions } from 'typeorm';
import { withDeadline } from '../../async/deadline.js';
import { SessionError, invalidOption } from '../../model/session-error.js';
import { watchTransactions } from './application-transactions.js';
import {
  type Dialect,
  LONGEST_IDLE_MS,
  LONGEST_LOCK_WAIT_MS,
  type TransactionLimits,
  adviceFor,
  dialectOf,
} from './dialect.js';
import { watchConnections } from './driver-pools.js';
import { type Engine, pause } from './engine.js';
import { MIGRATION_LIMITS, type MigrationLimits, migrate, migrationOptions } from '../schema/migrate.js';
import { type LaneWidths, PooledEngine } from './pooled-engine.js';
import { sql } from './sql.js';
import { type SqliteConnection, SqliteEngine } from './sqlite-engine.js';
import { type Tables, tablesOf } from '../schema/tables.js';

export interface DatabaseSettings {
  /** The application's data source, or options of one. The library opens connections of its own from its options. */
  readonly source: DataSource | DataSourceOptions;
  readonly runMigrations: boolean;
  readonly lanes: LaneWidths;
  /** Time limit of any operation; the server gives up on a statement a second later. Milliseconds. */
  readonly budgetMs: number;
  /** Default true: changes are dated by the clock of the database, and refused if dated otherwise. */
  readonly datesByDatabase?: boolean;
  /** Measures that clock, before a change that bears another time is tried again. Default: waits for somebody else to. */
  readonly measureClock?: () => Promise<void>;
  /** Called when a connection was lost that was not closed here. */
  readonly onConnectionLost?: () => void;
  readonly warn?: (message: string) => void;
  readonly limits?: BootLimits;
}

/** Time limits of the steps of a boot. Milliseconds. */
export interface BootLimits extends MigrationLimits {
  readonly connectMs: number;
  readonly closeMs: number;
}

export interface Database {
  readonly engine: Engine;
  readonly tables: Tables;
  /** True if the database runs inside this process, and is never out. */
  readonly embedded: boolean;
  /** Equal for every connection to the same database; may hold a password. */
  readonly address: string;
}

const BOOT_LIMITS: BootLimits = { ...MIGRATION_LIMITS, connectMs: 10_000, closeMs: 2000 };
const BUSY_BOOT_MS = 10_000;
/** PostgreSQL cuts names at 63 characters, and the longest one that follows a prefix has 33. */
const MAX_PREFIX = 30;
const MAX_EMPTY_LOG_BYTES = 4 * 2 ** 20;
const GIVE_UP_MS = 1000;

/** Connects, and makes sure that the tables are there. @throws SessionError CONFIGURATION_INVALID, saying what to change */
export async function openDatabase(settings: DatabaseSettings): Promise<Database> {
  const options = optionsOf(settings.source);
  const dialect = {
    ...dialectOf(options.type),
    ...(settings.datesByDatabase === false && { changeTime: (at: number) => sql`${at}` }),
  };
  const limits = settings.limits ?? BOOT_LIMITS;
  const dataSource = new DataSource(ownOptions(options, dialect, settings));
  const cut = watchConnections(dataSource, limitsOf(settings), settings.onConnectionLost);
  try {
    await connect(dataSource, dialect, limits.connectMs);
    const tables = tablesOf(dataSource);
    if (settings.runMigrations) {
      await whileBusy(dialect, () => migrate(dataSource, dialect, limits, settings.warn)).catch(refuseMigration);
    }
    const engine = makeEngine(dataSource, dialect, settings);
    await checkTables(engine, tables, settings);
    return { engine, tables, embedded: dialect.engine === 'sqlite', address: addressOf(options) };
  } catch (error) {
    // The end of a connection gives back its locks.
    if (dataSource.isInitialized) await withDeadline(dataSource.destroy(), limits.closeMs).catch(() => undefined);
    cut();
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
    throw invalidOption('database', 'must be a TypeORM DataSource or its options');
  }
  if ((options.entityPrefix ?? '').length > MAX_PREFIX) {
    throw invalidOption('database', `must have an entityPrefix of at most ${MAX_PREFIX} characters`);
  }
  return options;
}

function addressOf(options: DataSourceOptions): string {
  const names = ['type', 'url', 'host', 'port', 'database', 'schema', 'socketPath', 'replication'];
  return JSON.stringify(names.map((name) => (options as unknown as Record<string, unknown>)[name]));
}

/** No instanceof: the application may have another copy of TypeORM. */
function isDataSource(source: DataSource | DataSourceOptions): source is DataSource {
  return typeof (source as DataSource | undefined)?.initialize === 'function';
}

/** The application's connection settings without its schema, and with limits on how long anything may hang. */
function ownOptions(options: DataSourceOptions, dialect: Dialect, settings: DatabaseSettings): DataSourceOptions {
  const { replication, ...connection } = options as DataSourceOptions & { replication?: { readonly master: object } };
  const poolSize = Object.values(settings.lanes).reduce((sum: number, width: number) => sum + width, 0);
  const own = {
    ...connection,
    // A replica is behind.
    ...replication?.master,
    name: undefined,
    entities: [],
    ...migrationOptions(options),
    migrationsRun: false,
    subscribers: [],
    synchronize: false,
    dropSchema: false,
    namingStrategy: undefined,
    cache: false,
    logging: false,
    // The application's would be called all the same.
    logger: undefined,
    maxQueryExecutionTime: undefined,
    poolErrorHandler: undefined,
    poolSize,
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
          // What the application allows its own pool would otherwise count here, and a boot needs two at once.
          max: poolSize,
        },
      } as unknown as DataSourceOptions;
    case 'mysql':
      return {
        ...own,
        connectTimeout: Math.min(2000, settings.budgetMs),
        extra: { ...extra, connectionLimit: poolSize, waitForConnections: true, queueLimit: 0 },
      } as unknown as DataSourceOptions;
  }
}

async function connect(dataSource: DataSource, dialect: Dialect, limitMs: number): Promise<void> {
  const initialized = whileBusy(dialect, async () => void (await dataSource.initialize()));
  try {
    await withDeadline(initialized, limitMs, () => new Error(`it has not answered for ${limitMs / 1000} s`));
  } catch (cause) {
    const problem = `SessionModule cannot connect to its database (${(cause as Error).message}).`;
    throw refusal(problem, cause, 'Check its DataSource.');
  }
}

function refusal(problem: string, cause: unknown, advice: string): SessionError {
  return new SessionError('CONFIGURATION_INVALID', `${problem} ${adviceFor(cause, advice)}`, { cause });
}

/** Bridges the moment for which a new SQLite file is locked for all but one of the processes that open it at once. */
async function whileBusy(dialect: Dialect, work: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + BUSY_BOOT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const again = dialect.engine === 'sqlite' && dialect.isTransient(error);
      if (!again || performance.now() > deadline) throw error;
    }
    await pause(attempt);
  }
}

function makeEngine(dataSource: DataSource, dialect: Dialect, settings: DatabaseSettings): Engine {
  if (dialect.engine !== 'sqlite') {
    return new PooledEngine(dataSource, dialect, settings.lanes, limitsOf(settings), settings.measureClock);
  }
  const { databaseConnection } = dataSource.driver as unknown as { databaseConnection: SqliteConnection };
  // In WAL mode this survives the end of the process, and syncs at checkpoints only: a sync for every commit would block the event loop.
  databaseConnection.exec('PRAGMA synchronous = NORMAL');
  // Size of the write-ahead log once it was emptied, whatever it has grown to beside a reader.
  databaseConnection.exec(`PRAGMA journal_size_limit = ${MAX_EMPTY_LOG_BYTES}`);
  const { source, measureClock } = settings;
  const transactions = isDataSource(source) ? watchTransactions(source) : null;
  return new SqliteEngine(databaseConnection, dialect, transactions, () => dataSource.destroy(), measureClock);
}

function refuseMigration(cause: Error): never {
  if (cause instanceof SessionError) throw cause;
  const rights =
    'Let the database user of its DataSource do that, or run sessionMigrations as one who may, and set the option "runMigrations" ' +
    'to false.';
  throw refusal(`SessionModule cannot create or change its tables (${cause.message}).`, cause, rights);
}

async function checkTables(engine: Engine, tables: Tables, settings: DatabaseSettings): Promise<void> {
  for (const table of Object.values(tables)) {
    try {
      await engine.read(sql`SELECT 1 FROM ${table} WHERE 1 = 0`, { lane: 'control', budgetMs: settings.budgetMs });
    } catch (cause) {
      const { message } = ((cause as Error).cause ?? cause) as Error;
      throw refusal(
        `The table ${table.render(() => '?')} cannot be read (${message}).`,
        cause,
        'Leave the option "runMigrations" on, or add sessionMigrations to the migrations of your DataSource and run them. The ' +
          'database user needs SELECT, INSERT, UPDATE and DELETE on the tables.',
      );
    }
  }
}
