import { type Row, type SqlValue, type Statement, raw, sql, unindexed } from '../engine/sql.js';
import { sessionColumns } from './session-rows.js';
import type { Tables } from './tables.js';

/*
 * The one place that knows which rows are live. A row whose status is live has ended all the same if there is a mass end of
 * its epoch, in its account or its realm, that has yet to be closed.
 */

/** Names a realm among the scopes of mass ends; an account is named by its key. */
export function realmScope(realm: string): string {
  return `r:${realm}`;
}

/** Epoch of a realm; 0 before the first end of everything in it. */
export function realmEpoch(tables: Tables, realm: string): Statement {
  return sql`COALESCE((SELECT end_epoch FROM ${tables.realm} WHERE realm = ${realm}), 0)`;
}

/** Rows of a realm whose status is live, in the epoch of the realm: what every index of live sessions begins with. */
export function isLiveIn(tables: Tables, realm: string, epoch = realmEpoch(tables, realm)): Statement {
  return sql`realm = ${realm} AND status = 'live' AND realm_epoch = ${epoch}`;
}

/** Live sessions that are found by id or account, and so must not walk an index of the realm. */
export function isLiveAt(tables: Tables, realm: string, now: number): Statement {
  return unindexed(sql`${isLiveIn(tables, realm)} AND usable_until > ${now} AND NOT ${isOfEndedAccount(tables)}`);
}

/** True for a row whose account had all its sessions ended since. */
export function isOfEndedAccount(tables: Tables): Statement {
  return falls(tables, raw('user_key'), 'account_epoch');
}

/** The epochs that live sessions of an account are in. */
export function inEpochsOf(tables: Tables, realm: string, accountKey: string): Statement {
  const epoch = sql`COALESCE((SELECT end_epoch FROM ${tables.account} WHERE user_key = ${accountKey}), 0)`;
  return sql`account_epoch = ${epoch} AND realm_epoch = ${realmEpoch(tables, realm)}`;
}

/** Selects rows of an account. */
export type AccountRows = (tables: Tables, realm: string, accountKey: string) => Statement;

/** Live sessions of an account. No row has an empty status: for 'live' alone, PostgreSQL without statistics would read all live ones. */
export const isLiveOf: AccountRows = (tables, realm, accountKey) =>
  sql`user_key = ${accountKey} AND status IN ('live', '') AND ${inEpochsOf(tables, realm, accountKey)}`;

/** The same in an epoch that was read before under the lock of the account: MariaDB passes over rows of others without locking them. */
export function isLiveSince(tables: Tables, realm: string, accountKey: string, accountEpoch: number): Statement {
  return sql`user_key = ${accountKey} AND status IN ('live', '') AND account_epoch = ${accountEpoch}
    AND ${unindexed(sql`realm_epoch = ${realmEpoch(tables, realm)}`)}`;
}

/** Live sessions of an account with damaged rows that are neither live nor ended: they hold a slot, and may be remembered as live. */
export const isNotEndedOf: AccountRows = (tables, realm, accountKey) =>
  sql`user_key = ${accountKey} AND (status < 'ended' OR status > 'ended') AND NOT ${isMassEnded(tables, realm)}`;

/** True for a row that a mass end has ended. */
export function isMassEnded(tables: Tables, realm: string): Statement {
  return sql`(${isOfEndedAccount(tables)} OR ${falls(tables, sql`${realmScope(realm)}`, 'realm_epoch')})`;
}

/** Rows of a realm whose status is live, without those that the closing of a mass end has yet to come to. */
export function isUnclosed(tables: Tables, realm: string): Statement {
  const open = sql`EXISTS (SELECT 1 FROM ${tables.massEnd} m WHERE m.closed_at IS NULL
    AND ((m.scope = user_key AND m.epoch = account_epoch) OR (m.scope = ${realmScope(realm)} AND m.epoch = realm_epoch)))`;
  return sql`realm = ${realm} AND status = 'live' AND ${unindexed(sql`NOT ${open}`)}`;
}

/** The columns of the session are no columns of mass ends, and need no alias. */
function falls(tables: Tables, scope: Statement, epoch: string): Statement {
  return sql`EXISTS (SELECT 1 FROM ${tables.massEnd} m WHERE m.scope = ${scope} AND m.epoch = ${raw(epoch)})`;
}

const END_COLUMNS = ['account', 'realm'].map(
  (scope) =>
    `${scope}_end.reason AS ${scope}_end_reason, ${scope}_end.at AS ${scope}_end_at, ${scope}_end.actor AS ${scope}_end_by`,
);

/** Complements the row of a session: its account, the epochs that hold now, and the mass ends that it falls under. */
interface Around {
  readonly columns: Statement;
  /** Follows the table that `session` names columns of. */
  readonly joins: Statement;
}

function around(
  tables: Tables,
  realm: string,
  session: (column: 'user_key' | 'account_epoch' | 'realm_epoch') => Statement,
): Around {
  return {
    columns: sql`a.user_id AS account_user_id, a.epoch, a.not_before, a.bans, COALESCE(a.version, 0) AS account_version,
      COALESCE(a.end_epoch, 0) AS account_epoch_now, ${realmEpoch(tables, realm)} AS realm_epoch_now, ${raw(END_COLUMNS.join(', '))}`,
    joins: sql` LEFT JOIN ${tables.account} a ON a.user_key = ${session('user_key')}
      LEFT JOIN ${tables.massEnd} account_end ON account_end.scope = ${session('user_key')} AND account_end.epoch = ${session('account_epoch')}
      LEFT JOIN ${tables.massEnd} realm_end ON realm_end.scope = ${realmScope(realm)} AND realm_end.epoch = ${session('realm_epoch')}`,
  };
}

/** Selects whole records. Goes on with conditions on `s`. */
export function selectRecords(tables: Tables, realm: string): Statement {
  const { columns, joins } = around(tables, realm, (column) => raw(`s.${column}`));
  return sql`SELECT ${sessionColumns('s')}, ${columns} FROM ${tables.session} s${joins}`;
}

/** Selects what completes one row of a session that is locked. */
export function selectAround(tables: Tables, realm: string, row: Row): Statement {
  const { columns, joins } = around(tables, realm, (column) => sql`${row[column] as SqlValue}`);
  return sql`SELECT ${columns} FROM (SELECT 1 AS one) x${joins}`;
}

/** Columns of records in lists, whose table needs the alias `s`: those that their conditions have found live or ended. */
export function listedColumns(tables: Tables): Statement {
  const account = (column: string) =>
    sql`(SELECT a.${raw(column)} FROM ${tables.account} a WHERE a.user_key = s.user_key)`;
  return sql`${sessionColumns('s')}, ${account('bans')} AS bans, COALESCE(${account('version')}, 0) AS account_version,
    s.account_epoch AS account_epoch_now, s.realm_epoch AS realm_epoch_now`;
}
