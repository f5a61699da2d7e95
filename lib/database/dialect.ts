import { type DataSource, type EntityTarget, type ObjectLiteral, QueryFailedError } from 'typeorm';
import type { Activity } from '../core/session-repository.js';
import { ipKey } from '../core/ip-key.js';
import { invalidOption } from '../core/session-error.js';
import { type Statement, join, raw, sql } from './sql.js';

/**
 * All that differs between the engines, and why. The statements themselves are written once, in SQL that all three read.
 */
export interface Dialect {
  readonly engine: 'sqlite' | 'postgres' | 'mysql';
  placeholder(position: number): string;
  /** What opens a transaction at READ COMMITTED or stricter. */
  readonly begin: readonly Statement[];
  /** Locks the selected rows. Nothing on SQLite, where BEGIN IMMEDIATE locks the whole file. */
  readonly forUpdate: Statement;
  /** Ends an INSERT of data, so that it takes the place of the value that is there. */
  readonly orReplaceValue: Statement;
  /** Ends an INSERT that leaves an existing row alone. */
  readonly orIgnore: Statement;
  /** The clock of the database in milliseconds since the epoch. */
  readonly now: Statement;
  /** One statement that merges uses into the sessions that are live. */
  mergeActivity(table: Statement, activities: readonly Activity[]): Statement;
  /** Whether the transaction failed only because of others at the same time, so that it may be run again. */
  isTransient(error: unknown): boolean;
}

const merged = (latest: 'GREATEST' | 'MAX') => ({
  ip: raw('CASE WHEN v.seen_at >= s.last_seen_at THEN COALESCE(v.ip, s.last_ip) ELSE s.last_ip END'),
  // Null where the new address is none that can be searched for: the old one is not the last any more.
  key: raw('CASE WHEN v.seen_at >= s.last_seen_at AND v.ip IS NOT NULL THEN v.ip_key ELSE s.last_ip_key END'),
  seenAt: raw(`${latest}(s.last_seen_at, v.seen_at)`),
});

function valueRows(activities: readonly Activity[], bigint: string): Statement {
  const big = raw(bigint);
  return join(
    activities.map(
      ({ sessionId, at, ip }) => sql`(CAST(${sessionId} AS VARCHAR(32)), CAST(${at} AS ${big}), ${ip}, ${keyOf(ip)})`,
    ),
    ', ',
  );
}

function keyOf(ip: string | null): string | null {
  return ip === null ? null : ipKey(ip);
}

function updateFromValues(table: Statement, activities: readonly Activity[], latest: 'GREATEST' | 'MAX'): Statement {
  const { ip, key, seenAt } = merged(latest);
  return sql`WITH v(id, seen_at, ip, ip_key) AS (VALUES ${valueRows(activities, 'BIGINT')})
    UPDATE ${table} AS s SET last_ip = ${ip}, last_ip_key = ${key}, last_seen_at = ${seenAt} FROM v WHERE s.id = v.id AND s.status = 'live'`;
}

const upsertValue = raw(
  ' ON CONFLICT (owner, name_hash) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at',
);

/** Error code of a QueryFailedError, or of the driver's own error; '' and 0 for anything else. */
export function codesOf(error: unknown): { code: string; errno: number } {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  const { code, errno } = (driverError ?? {}) as { code?: unknown; errno?: unknown };
  return { code: typeof code === 'string' ? code : '', errno: typeof errno === 'number' ? errno : 0 };
}

const sqlite: Dialect = {
  engine: 'sqlite',
  placeholder: () => '?',
  // The lock is taken here, so that nothing that was read can have changed by the time it is written.
  begin: [raw('BEGIN IMMEDIATE')],
  forUpdate: raw(''),
  orReplaceValue: upsertValue,
  orIgnore: raw(' ON CONFLICT DO NOTHING'),
  now: raw(`CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)`),
  mergeActivity: (table, activities) => updateFromValues(table, activities, 'MAX'),
  // Transactions begin with the write lock, so a key that is taken stays taken.
  isTransient: (error) => /^SQLITE_(BUSY|LOCKED)/.test(codesOf(error).code),
};

const postgres: Dialect = {
  engine: 'postgres',
  placeholder: (position) => `$${position}`,
  begin: [raw('START TRANSACTION ISOLATION LEVEL READ COMMITTED')],
  forUpdate: raw(' FOR UPDATE'),
  orReplaceValue: upsertValue,
  orIgnore: raw(' ON CONFLICT DO NOTHING'),
  now: raw('CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)'),
  mergeActivity: (table, activities) => updateFromValues(table, activities, 'GREATEST'),
  // serialization failure, deadlock, and a slot or key that another transaction took first
  isTransient: (error) => ['40001', '40P01', '23505'].includes(codesOf(error).code),
};

const mysql: Dialect = {
  engine: 'mysql',
  placeholder: () => '?',
  begin: [raw('SET TRANSACTION ISOLATION LEVEL READ COMMITTED'), raw('START TRANSACTION')],
  forUpdate: raw(' FOR UPDATE'),
  orReplaceValue: raw(' ON DUPLICATE KEY UPDATE value = VALUES(value), updated_at = VALUES(updated_at)'),
  // Not INSERT IGNORE, which would also swallow values that do not fit.
  orIgnore: raw(' ON DUPLICATE KEY UPDATE user_key = user_key'),
  now: raw('CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)'),
  mergeActivity: (table, activities) => {
    const { ip, key, seenAt } = merged('GREATEST');
    const rows = join(
      activities.map(
        (one) => sql`SELECT ${one.sessionId} AS id, ${one.at} AS seen_at, ${one.ip} AS ip, ${keyOf(one.ip)} AS ip_key`,
      ),
      ' UNION ALL ',
    );
    // MySQL assigns from left to right and sees what it has assigned, so the address comes before the time.
    return sql`UPDATE ${table} AS s JOIN (${rows}) AS v ON v.id = s.id
      SET s.last_ip = ${ip}, s.last_ip_key = ${key}, s.last_seen_at = ${seenAt} WHERE s.status = 'live'`;
  },
  // deadlock, lock wait timeout, duplicate key, and MariaDB's "record has changed since last read"
  isTransient: (error) => [1213, 1205, 1062, 1020].includes(codesOf(error).errno),
};

/** @throws SessionError CONFIGURATION_INVALID for an engine that is not supported */
export function dialectOf(type: string): Dialect {
  if (type === 'better-sqlite3') return sqlite;
  if (type === 'postgres') return postgres;
  if (type === 'mysql' || type === 'mariadb') return mysql;
  throw invalidOption('database', `is of type "${type}"; use better-sqlite3, postgres, mysql or mariadb`);
}

/** The table of an entity, with schema and prefix of the data source, quoted. */
export function tableOf(dataSource: DataSource, entity: EntityTarget<ObjectLiteral>): Statement {
  const path = dataSource.getMetadata(entity).tablePath.split('.');
  return raw(path.map((part) => dataSource.driver.escape(part)).join('.'));
}
