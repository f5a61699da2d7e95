import { QueryFailedError } from 'typeorm';
import { invalidOption } from '../../model/session-error.js';
import { type Merging, onConflict, onDuplicateKey } from './merging.js';
import { type Statement, list, raw, sql } from './sql.js';

/** How the engines differ, and why. The statements themselves are written once, in SQL that all of them read, but for endAtOnce. */
export interface Dialect {
  readonly engine: 'sqlite' | 'postgres' | 'mysql';
  placeholder(position: number): string;
  /** Opens a transaction at READ COMMITTED or stricter. A pooler may leave out limits that the connection asks for. */
  readonly begin: (limits: TransactionLimits) => readonly Statement[];
  /** True if the driver takes names for statements, which the server then keeps parsed and planned. */
  readonly keepsStatements: boolean;
  /** Locks the selected rows; with `waits` false, finds only those that are free. Nothing on SQLite: BEGIN IMMEDIATE locks the file. */
  readonly forUpdate: (waits?: boolean) => Statement;
  /** Ends a SELECT that waits for rows of transactions under way, or fails. Nothing where the transaction itself waits, or need not. */
  readonly forShare: Statement;
  /** Ends an INSERT of data that replaces the present value. */
  readonly orReplaceValue: Statement;
  /** Ends an INSERT that leaves an existing row alone. */
  readonly orIgnore: Statement;
  /** Follows a table that is to be read through one of its indexes. */
  readonly through: (index: string) => Statement;
  /** Ends the conditions of a page, which is read sooner by one process than others have been started to help. */
  readonly serial: Statement;
  /** Ends a SELECT of rows in any of some ranges, so that the indexes of all are combined; null where an engine combines none. */
  readonly combiningIndexes: Statement | null;
  /** Null where an engine has no answer, or does not return the rows of an UPDATE to the statement that it is a part of. */
  readonly inTransaction: TransactionConditions | null;
  /** The clock of the database in milliseconds since the epoch. */
  readonly now: Statement;
  /** Text that is another one after a fail-over to another server. */
  readonly server: Statement;
  /** The time of a change as a value for its row, which makes the INSERT fail if it is too far from the clock of the database. */
  readonly changeTime: (at: number) => Statement;
  /** Follows a column that is to be one of some ids: hexadecimal digits, and colons. */
  readonly isOneOf: (ids: readonly string[]) => Statement;
  readonly concat: (first: Statement, second: Statement) => Statement;
  readonly merging: Merging;
  /** True if the transaction failed only because of others at the same time, so that it may be run again. */
  isTransient(error: unknown): boolean;
  /** True if the transaction failed because of `changeTime`: it may be run again, with a new time. */
  isLate(error: unknown): boolean;
  /** True if a statement failed only because it was sent by its name. */
  isNameProblem(error: unknown): boolean;
}

export interface TransactionLimits {
  /** How long a statement may wait for a lock. Milliseconds. */
  readonly lockWaitMs: number;
  /** How long the server waits for the next statement before it rolls back. Milliseconds. */
  readonly idleMs: number;
}

/** Conditions on the transaction that a statement is sent in. */
export interface TransactionConditions {
  /** `begin` was carried out. */
  readonly isOpen: Statement;
  /** The row was last written by this transaction. */
  readonly isWriterOf: Statement;
}

/** How far the time of a change may be from the clock of the database when its row is written, as the last statement. */
export const CHANGE_TOLERANCE_MS = 10_000;
/** How long the server then waits for the COMMIT before it rolls back: the network may hold it, and the row is locked meanwhile. */
export const LONGEST_IDLE_MS = 4000;
/** How long any statement waits for a lock, whatever the budgets are. */
export const LONGEST_LOCK_WAIT_MS = 10_000;

/** @param type integer of 64 bits @param fail makes the INSERT fail as the time; NULL where columns are held to be not null */
function checkedTime(now: Statement, type: string, fail = (_at: number) => raw('NULL')): Dialect['changeTime'] {
  return (at) => {
    const time = sql`CAST(${at} AS ${raw(type)})`;
    return sql`CASE WHEN ABS(${now} - ${time}) <= ${raw(String(CHANGE_TOLERANCE_MS))} THEN ${time} ELSE ${fail(at)} END`;
  };
}

/** Error code of a QueryFailedError, or of the driver's own error; '' and 0 for anything else. */
export function codesOf(error: unknown): { code: string; errno: number; column: unknown } {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  const { code, errno, column } = (driverError ?? {}) as { code?: unknown; errno?: unknown; column?: unknown };
  return { code: typeof code === 'string' ? code : '', errno: typeof errno === 'number' ? errno : 0, column };
}

/** SQLite, the system, PostgreSQL's disk_full; MySQL's ER_DISK_FULL, ER_RECORD_FILE_FULL and ER_ERROR_ON_WRITE for it. */
const FULL_CODES = /^(SQLITE_FULL|ENOSPC|53100|ER_DISK_FULL|ER_DISK_FULL_NOWAIT|ER_RECORD_FILE_FULL)/;

/** @returns what to do about an error of the database: for a full disk that, else the advice for what it commonly is */
export function adviceFor(error: unknown, common: string): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (FULL_CODES.test(codesOf(cause).code)) return 'Its disk is full: make room, and start again.';
  }
  return common;
}

const SQLITE_NOW = raw(`CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)`);
const POSTGRES_NOW = raw('CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)');
// UNIX_TIMESTAMP takes a time of the server's zone, and when summer time ends, an hour of those stands for two.
const MYSQL_NOW = raw(`(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)`);

/** As most engines have it. */
const STANDARD = {
  placeholder: () => '?',
  keepsStatements: false,
  forUpdate: (waits = true) => raw(waits ? ' FOR UPDATE' : ' FOR UPDATE SKIP LOCKED'),
  forShare: raw(''),
  orReplaceValue: raw(
    ' ON CONFLICT (owner, name_hash) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at',
  ),
  orIgnore: raw(' ON CONFLICT DO NOTHING'),
  through: () => raw(''),
  serial: raw(''),
  combiningIndexes: null,
  inTransaction: null,
  isOneOf: (ids: readonly string[]) => sql`IN (${list(ids)})`,
  concat: (first: Statement, second: Statement) => sql`${first} || ${second}`,
  isNameProblem: () => false,
} satisfies Partial<Dialect>;

const sqlite: Dialect = {
  ...STANDARD,
  engine: 'sqlite',
  begin: () => [raw('BEGIN IMMEDIATE')],
  forUpdate: () => raw(''),
  now: SQLITE_NOW,
  server: raw(`''`),
  changeTime: checkedTime(SQLITE_NOW, 'INTEGER'),
  merging: { ...onConflict, least: raw('MIN'), greatest: raw('MAX') },
  // Transactions begin with the write lock, so a key that is taken stays taken.
  isTransient: (error) => /^SQLITE_(BUSY|LOCKED)/.test(codesOf(error).code),
  isLate: (error) => codesOf(error).code === 'SQLITE_CONSTRAINT_NOTNULL',
};

const postgres: Dialect = {
  ...STANDARD,
  engine: 'postgres',
  placeholder: (position) => `$${position}`,
  // A plan that is kept may have been made while the table was small enough to be read from end to end.
  begin: ({ lockWaitMs, idleMs }) => [
    raw(
      `START TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_seqscan = off; SET LOCAL lock_timeout = ${lockWaitMs}; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`,
    ),
  ],
  keepsStatements: true,
  // PostgreSQL starts no workers for a statement with this function, and the setting is that of the transaction, which is this
  // statement. One for the connection would be refused by some poolers and shared by others.
  serial: raw(" AND (SELECT set_config('max_parallel_workers_per_gather', '0', true)) = '0'"),
  // Without it, an order and a limit further out would be taken in, and may seem to be had for less by walking the table.
  combiningIndexes: raw(' OFFSET 0'),
  inTransaction: {
    isOpen: raw(`current_setting('enable_seqscan') = 'off'`),
    // `xmin` is the number of that transaction, without its upper half.
    isWriterOf: raw('CAST(xmin AS TEXT) = CAST(txid_current_if_assigned() % 4294967296 AS TEXT)'),
  },
  now: POSTGRES_NOW,
  server: raw('CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) AS TEXT)'),
  changeTime: checkedTime(POSTGRES_NOW, 'BIGINT'),
  // One text for any number, so that it is kept. But for one id, a plan for any number looks dearer than a new one each time.
  isOneOf: (ids) => (ids.length === 1 ? sql`= ${ids[0]!}` : sql`= ANY(CAST(${`{${ids.join(',')}}`} AS TEXT[]))`),
  merging: { ...onConflict, least: raw('LEAST'), greatest: raw('GREATEST') },
  // serialization failure, deadlock, a lock that was waited for too long, and a slot or key that another transaction took first
  isTransient: (error) => ['40001', '40P01', '55P03', '23505'].includes(codesOf(error).code),
  isLate: (error) => codesOf(error).code === '23502' && codesOf(error).column === 'at',
  // no such name, a name that is taken, and after a migration "cached plan must not change result type"
  isNameProblem: (error) =>
    ['26000', '42P05'].includes(codesOf(error).code) ||
    (codesOf(error).code === '0A000' && /cached plan/.test(String(error))),
};

const mysql: Dialect = {
  ...STANDARD,
  engine: 'mysql',
  begin: () => [raw('SET TRANSACTION ISOLATION LEVEL READ COMMITTED'), raw('START TRANSACTION')],
  // Only MariaDB can wait for a shorter time than the session does.
  forShare: raw(' LOCK IN SHARE MODE /*M!100300 WAIT 1 */'),
  orReplaceValue: raw(' ON DUPLICATE KEY UPDATE value = VALUES(value), updated_at = VALUES(updated_at)'),
  // Not INSERT IGNORE, which would also swallow values that do not fit.
  orIgnore: raw(' ON DUPLICATE KEY UPDATE realm = realm'),
  // MariaDB prefers the index of a realm, which nearly all rows are of, and reads small tables whole, rows that others have locked too.
  through: (index) => raw(` FORCE INDEX (${index})`),
  now: MYSQL_NOW,
  server: raw(`CONCAT(@@hostname, ':', @@port, ' ', @@server_id)`),
  // Without strict mode, 0 is stored for NULL; a number that is too large is an error in every mode.
  changeTime: checkedTime(MYSQL_NOW, 'SIGNED', (at) => sql`9223372036854775807 + ${at}`),
  // Where || is taken for OR.
  concat: (first, second) => sql`CONCAT(${first}, ${second})`,
  merging: onDuplicateKey,
  // deadlock, lock wait timeout, duplicate key, and MariaDB's "record has changed since last read"
  isTransient: (error) => [1213, 1205, 1062, 1020].includes(codesOf(error).errno),
  isLate: (error) => codesOf(error).errno === 1690,
};

/** @throws SessionError CONFIGURATION_INVALID for an engine that is not supported */
export function dialectOf(type: string): Dialect {
  if (type === 'better-sqlite3') return sqlite;
  if (type === 'postgres') return postgres;
  if (type === 'mysql' || type === 'mariadb') return mysql;
  throw invalidOption('database', `is of type "${type}"; use better-sqlite3, postgres, mysql or mariadb`);
}
