import { QueryFailedError } from 'typeorm';
import type { Activity } from '../../ports/session-repository.js';
import { ipKey } from '../../model/ip-key.js';
import { invalidOption } from '../../model/session-error.js';
import { NO_TIME, changeTime } from './change-time.js';
import { type Merging, onConflict, onDuplicateKey } from './merging.js';
import { type Statement, join, list, raw, sql } from './sql.js';

/**
 * All that differs between the engines, and why. The statements themselves are written once, in SQL that all three read; but for
 * endAtOnce, which one of them can.
 */
export interface Dialect {
  readonly engine: 'sqlite' | 'postgres' | 'mysql';
  placeholder(position: number): string;
  /**
   * What opens a transaction at READ COMMITTED or stricter.
   * @param limits those that are said here, since a pooler may leave out what a connection asks for
   */
  readonly begin: (limits: TransactionLimits) => readonly Statement[];
  /** Whether the driver takes names for statements, which the server then keeps parsed and planned. */
  readonly keepsStatements: boolean;
  /** Locks the selected rows; with `waits` false, finds only those that are free. Nothing on SQLite: BEGIN IMMEDIATE locks the file. */
  readonly forUpdate: (waits?: boolean) => Statement;
  /** Ends an INSERT of data, so that it takes the place of the value that is there. */
  readonly orReplaceValue: Statement;
  /** Ends an INSERT that leaves an existing row alone. */
  readonly orIgnore: Statement;
  /** Stands behind a table that is to be read through one of its indexes. */
  readonly through: (index: string) => Statement;
  /**
   * A condition that always holds, with ` AND ` before it: the statement is run by one process. A page is read sooner than others
   * have been started to help.
   */
  readonly serial: Statement;
  /**
   * Ends a SELECT of rows in any of some ranges, which it finds in the indexes of all of them, whatever is asked of these rows
   * later; null where an engine combines no indexes.
   */
  readonly combiningIndexes: Statement | null;
  /**
   * What a statement can ask about the transaction that it is sent in. Null where an engine has no answer, or does not return the
   * rows of an UPDATE to the statement that it is a part of.
   */
  readonly inTransaction: TransactionConditions | null;
  /** The clock of the database in milliseconds since the epoch. */
  readonly now: Statement;
  /** The time of a change, as a value that makes the statement fail if it is too far from the clock of the database: change-time.ts. */
  readonly changeTime: (at: number) => Statement;
  /** Stands behind a column that is to be one of some ids: hexadecimal digits, and colons. */
  readonly isOneOf: (ids: readonly string[]) => Statement;
  /** One text after the other. */
  readonly concat: (first: Statement, second: Statement) => Statement;
  /** What an INSERT is made of that merges rows with those that are there. */
  readonly merging: Merging;
  /** One statement that merges uses into the sessions that are live. */
  mergeActivity(table: Statement, activities: readonly Activity[]): Statement;
  /** Whether the transaction failed only because of others at the same time, so that it may be run again. */
  isTransient(error: unknown): boolean;
  /** Whether the transaction failed because of `changeTime`: it may be run again, with a new time. */
  isLate(error: unknown): boolean;
  /** Whether a statement failed only because it was sent by its name. */
  isNameProblem(error: unknown): boolean;
}

export interface TransactionLimits {
  /** How long a statement may wait for a lock. Milliseconds. */
  readonly lockWaitMs: number;
  /** How long the server waits for the next statement before it rolls back. Milliseconds. */
  readonly idleMs: number;
}

export interface TransactionConditions {
  /** Whether `begin` was carried out. */
  readonly isOpen: Statement;
  /** Whether a row was last written by this transaction. */
  readonly isWriterOf: Statement;
}

const IS_LATEST = 'v.ip IS NOT NULL AND v.at >= COALESCE(s.presented_at, 0)';

const merged = (latest: 'GREATEST' | 'MAX') => ({
  ip: raw(`CASE WHEN ${IS_LATEST} THEN v.ip ELSE s.last_ip END`),
  // Null where the new address is none that can be searched for: the old one is not the last any more.
  key: raw(`CASE WHEN ${IS_LATEST} THEN v.ip_key ELSE s.last_ip_key END`),
  presentedAt: raw(`${latest}(COALESCE(s.presented_at, 0), v.at)`),
  seenAt: raw(`${latest}(s.last_seen_at, COALESCE(v.used_at, 0))`),
});

function valueRows(activities: readonly Activity[], bigint: string): Statement {
  const big = raw(bigint);
  return join(
    activities.map(
      ({ sessionId, at, usedAt, ip }) =>
        sql`(CAST(${sessionId} AS VARCHAR(32)), CAST(${at} AS ${big}), CAST(${usedAt} AS ${big}), ${ip}, ${keyOf(ip)})`,
    ),
    ', ',
  );
}

function keyOf(ip: string | null): string | null {
  return ip === null ? null : ipKey(ip);
}

function updateFromValues(table: Statement, activities: readonly Activity[], latest: 'GREATEST' | 'MAX'): Statement {
  const { ip, key, presentedAt, seenAt } = merged(latest);
  // No status is empty; see isLiveOf in session-rows.ts.
  return sql`WITH v(id, at, used_at, ip, ip_key) AS (VALUES ${valueRows(activities, 'BIGINT')})
    UPDATE ${table} AS s SET last_ip = ${ip}, last_ip_key = ${key}, presented_at = ${presentedAt}, last_seen_at = ${seenAt}
    FROM v WHERE s.id = v.id AND s.status IN ('live', '')`;
}

const upsertValue = raw(
  ' ON CONFLICT (owner, name_hash) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at',
);

/** Error code of a QueryFailedError, or of the driver's own error; '' and 0 for anything else. */
export function codesOf(error: unknown): { code: string; errno: number; column: unknown } {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  const { code, errno, column } = (driverError ?? {}) as { code?: unknown; errno?: unknown; column?: unknown };
  return { code: typeof code === 'string' ? code : '', errno: typeof errno === 'number' ? errno : 0, column };
}

const forUpdate = (waits = true) => raw(waits ? ' FOR UPDATE' : ' FOR UPDATE SKIP LOCKED');
const isListed = (ids: readonly string[]) => sql`IN (${list(ids)})`;

const SQLITE_NOW = raw(`CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)`);
const POSTGRES_NOW = raw('CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)');
// UNIX_TIMESTAMP takes a time of the server's zone, and when summer time ends, an hour of those stands for two.
const MYSQL_NOW = raw(`(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)`);

const sqlite: Dialect = {
  engine: 'sqlite',
  placeholder: () => '?',
  // The lock is taken here, so that nothing that was read can have changed by the time it is written.
  begin: () => [raw('BEGIN IMMEDIATE')],
  keepsStatements: false,
  forUpdate: () => raw(''),
  orReplaceValue: upsertValue,
  orIgnore: raw(' ON CONFLICT DO NOTHING'),
  through: () => raw(''),
  serial: raw(''),
  combiningIndexes: null,
  inTransaction: null,
  now: SQLITE_NOW,
  changeTime: (at) => changeTime(SQLITE_NOW, 'INTEGER', at, NO_TIME),
  isOneOf: isListed,
  concat: (first, second) => sql`${first} || ${second}`,
  merging: { ...onConflict, least: raw('MIN'), greatest: raw('MAX') },
  mergeActivity: (table, activities) => updateFromValues(table, activities, 'MAX'),
  // Transactions begin with the write lock, so a key that is taken stays taken.
  isTransient: (error) => /^SQLITE_(BUSY|LOCKED)/.test(codesOf(error).code),
  isLate: (error) => codesOf(error).code === 'SQLITE_CONSTRAINT_NOTNULL',
  isNameProblem: () => false,
};

const postgres: Dialect = {
  engine: 'postgres',
  placeholder: (position) => `$${position}`,
  // A plan that is kept may have been made while the table was small enough to be read from end to end.
  begin: ({ lockWaitMs, idleMs }) => [
    raw(
      `START TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_seqscan = off; SET LOCAL lock_timeout = ${lockWaitMs}; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`,
    ),
  ],
  keepsStatements: true,
  forUpdate,
  orReplaceValue: upsertValue,
  orIgnore: raw(' ON CONFLICT DO NOTHING'),
  through: () => raw(''),
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
  changeTime: (at) => changeTime(POSTGRES_NOW, 'BIGINT', at, NO_TIME),
  // One text for any number, so that it is kept. But for one id, a plan for any number looks dearer than a new one each time.
  isOneOf: (ids) => (ids.length === 1 ? sql`= ${ids[0]!}` : sql`= ANY(CAST(${`{${ids.join(',')}}`} AS TEXT[]))`),
  concat: (first, second) => sql`${first} || ${second}`,
  merging: { ...onConflict, least: raw('LEAST'), greatest: raw('GREATEST') },
  mergeActivity: (table, activities) => updateFromValues(table, activities, 'GREATEST'),
  // serialization failure, deadlock, a lock that was waited for too long, and a slot or key that another transaction took first
  isTransient: (error) => ['40001', '40P01', '55P03', '23505'].includes(codesOf(error).code),
  isLate: (error) => codesOf(error).code === '23502' && codesOf(error).column === 'at',
  // no such name, a name that is taken, and after a migration "cached plan must not change result type"
  isNameProblem: (error) =>
    ['26000', '42P05'].includes(codesOf(error).code) ||
    (codesOf(error).code === '0A000' && /cached plan/.test(String(error))),
};

const mysql: Dialect = {
  engine: 'mysql',
  placeholder: () => '?',
  begin: () => [raw('SET TRANSACTION ISOLATION LEVEL READ COMMITTED'), raw('START TRANSACTION')],
  keepsStatements: false,
  forUpdate,
  orReplaceValue: raw(' ON DUPLICATE KEY UPDATE value = VALUES(value), updated_at = VALUES(updated_at)'),
  // Not INSERT IGNORE, which would also swallow values that do not fit.
  orIgnore: raw(' ON DUPLICATE KEY UPDATE user_key = user_key'),
  // MariaDB prefers the index of a realm, which nearly all rows are of, and reads small tables whole, rows that others have locked too.
  through: (index) => raw(` FORCE INDEX (${index})`),
  serial: raw(''),
  combiningIndexes: null,
  inTransaction: null,
  now: MYSQL_NOW,
  // Without strict mode, 0 is stored for NULL; a number that is too large is an error in every mode.
  changeTime: (at) => changeTime(MYSQL_NOW, 'SIGNED', at, sql`9223372036854775807 + ${at}`),
  isOneOf: isListed,
  // Where || is taken for OR.
  concat: (first, second) => sql`CONCAT(${first}, ${second})`,
  merging: onDuplicateKey,
  mergeActivity: (table, activities) => {
    const { ip, key, presentedAt, seenAt } = merged('GREATEST');
    const rows = join(
      activities.map(
        ({ sessionId, at, usedAt, ip }) =>
          sql`SELECT ${sessionId} AS id, ${at} AS at, ${usedAt} AS used_at, ${ip} AS ip, ${keyOf(ip)} AS ip_key`,
      ),
      ' UNION ALL ',
    );
    // MySQL assigns from left to right and sees what it has assigned, so the address comes before the time.
    return sql`UPDATE ${table} AS s JOIN (${rows}) AS v ON v.id = s.id
      SET s.last_ip = ${ip}, s.last_ip_key = ${key}, s.presented_at = ${presentedAt}, s.last_seen_at = ${seenAt} WHERE s.status = 'live'`;
  },
  // deadlock, lock wait timeout, duplicate key, and MariaDB's "record has changed since last read"
  isTransient: (error) => [1213, 1205, 1062, 1020].includes(codesOf(error).errno),
  isLate: (error) => codesOf(error).errno === 1690,
  isNameProblem: () => false,
};

/** @throws SessionError CONFIGURATION_INVALID for an engine that is not supported */
export function dialectOf(type: string): Dialect {
  if (type === 'better-sqlite3') return sqlite;
  if (type === 'postgres') return postgres;
  if (type === 'mysql' || type === 'mariadb') return mysql;
  throw invalidOption('database', `is of type "${type}"; use better-sqlite3, postgres, mysql or mariadb`);
}
