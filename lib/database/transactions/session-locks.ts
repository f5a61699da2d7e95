import { type AccountRef, actorText } from '../../model/user-key.js';
import type { Dialect } from '../engine/dialect.js';
import { isNotEndedOf, isOfRealm } from '../schema/session-rows.js';
import { type Row, type Script, type Statement, raw, sql, unindexed } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';
import { ENDING_COLUMNS, chunksOf } from './ending-script.js';

/*
 * The one order of locks: the row of an account first, and of one account only; then sessions, all of them by their ids, whose
 * ever they are. Two transactions that keep to it cannot deadlock.
 */

/** What locked rows are asked for: how to end them, and whether. */
const LOCKED_COLUMNS = raw(
  'slot, device_type, device_id, created_at, last_seen_at, presented_at, impersonator, status',
);

/**
 * Locks sessions of an account, for whatever concerns all of them.
 * @param which isLiveOf or isNotEndedOf
 */
export function* lockSessions(
  tables: Tables,
  dialect: Dialect,
  accountKey: string,
  which = isNotEndedOf,
): Script<readonly Row[]> {
  const { rows } =
    yield sql`SELECT ${ENDING_COLUMNS}, ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('idx_user_session_account')}
      WHERE ${which(accountKey)} ORDER BY id${dialect.forUpdate()}`;
  return rows;
}

/**
 * Locks sessions by their ids, and hands on those that have not ended. The database is not asked for these: PostgreSQL, as long as it
 * has no statistics, takes an index of all that is live for as good a way.
 */
export function* lockRows(
  tables: Tables,
  dialect: Dialect,
  realm: string,
  ids: readonly string[],
): Script<readonly Row[]> {
  const locked: Row[] = [];
  for (const chunk of chunksOf([...ids].sort())) {
    const { rows } =
      yield sql`SELECT ${ENDING_COLUMNS}, ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('PRIMARY')}
        WHERE id ${dialect.isOneOf(chunk)} AND ${isOfRealm(realm)} ORDER BY id${dialect.forUpdate()}`;
    locked.push(...rows.filter((row) => row.status !== 'ended'));
  }
  return locked;
}

/** Locks the sessions of an account, and the live ones that it opened as other users. Its row must be locked. */
export function* lockOfAccount(
  tables: Tables,
  dialect: Dialect,
  account: AccountRef,
): Script<{ readonly own: readonly Row[]; readonly openedAsOthers: readonly Row[] }> {
  const found = yield openedAs(tables, dialect, account);
  // Databases take more than one text for the same.
  const opened = found.rows.filter((row) => row.impersonator === actorText(account.userId));
  if (opened.length === 0) return { own: yield* lockSessions(tables, dialect, account.key), openedAsOthers: [] };
  // No session is added to the account while its row is locked.
  const { rows } =
    yield sql`SELECT id FROM ${tables.session}${dialect.through('idx_user_session_account')} WHERE ${isNotEndedOf(account.key)}`;
  const ids = new Set([...rows, ...opened].map((row) => String(row.id)));
  const locked = yield* lockRows(tables, dialect, account.realm, [...ids]);
  const isOwn = (row: Row) => row.user_key === account.key;
  return { own: locked.filter(isOwn), openedAsOthers: locked.filter((row) => !isOwn(row)) };
}

/** Finds live sessions that an account opened, among those of all impersonators: they are few. */
export function openedAs(tables: Tables, dialect: Dialect, { realm, userId }: AccountRef): Statement {
  return sql`SELECT id, impersonator FROM ${tables.session}${dialect.through('idx_user_session_find_method')}
    WHERE realm = ${realm} AND status = 'live' AND login_method = 'impersonation'
      AND ${unindexed(sql`impersonator = ${actorText(userId)}`)}`;
}
