import type { AccountRecord, Ban } from '../../model/ban.js';
import { SessionError } from '../../model/session-error.js';
import { type AccountRef, actorText, escapeUserId } from '../../model/user-key.js';
import type { Clock } from '../../ports/clock.js';
import type { ChangeEnd } from '../../ports/node-registry.js';
import type { Dialect } from '../engine/dialect.js';
import { type Row, type Script, type Statement, raw, sql, unindexed } from '../engine/sql.js';
import { fromList, isCountable, isNotEndedOf, isOfRealm, toBans } from '../schema/session-rows.js';
import type { Tables } from '../schema/tables.js';

// The one order of locks, which rules out deadlocks: the row of one account first, then sessions in the order of their ids.

export interface Scope {
  readonly tables: Tables;
  readonly dialect: Dialect;
  readonly realm: string;
  readonly clock: Clock;
  /** The end of a session that this node knows of, which the database may have lost; null for none. */
  readonly endOf?: (sessionId: string) => ChangeEnd | null;
}

/** Most rows of one statement, below every engine's limit of parameters. */
const CHUNK = 500;

export function* chunksOf<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < rows.length; from += CHUNK) yield rows.slice(from, from + CHUNK);
}

/** Inserts the row of the account if missing. To be run on its own: SELECT FOR UPDATE of a missing row deadlocks on MariaDB. */
export function ensureAccount({ tables, dialect, clock }: Scope, account: AccountRef): Statement {
  return sql`INSERT INTO ${tables.account} (user_key, realm, user_id, epoch, not_before, created_at)
    VALUES (${account.key}, ${account.realm}, ${escapeUserId(account.userId)}, 0, 0, ${clock.now()})${dialect.orIgnore}`;
}

export function* lockAccount(scope: Scope, accountKey: string): Script<AccountRecord> {
  return toAccount(yield* findAccount(scope, accountKey, scope.dialect.forUpdate()));
}

/** Locks it for steps that must be possible even if its bans cannot be read. */
export function* lockDamagedAccount(scope: Scope, accountKey: string): Script<AccountRecord> {
  return toDamagedAccount(yield* findAccount(scope, accountKey, scope.dialect.forUpdate()));
}

/** An unknown account has no bans. */
export function* readAccount(scope: Scope, accountKey: string): Script<AccountRecord> {
  return toAccount(yield* findAccount(scope, accountKey));
}

function* findAccount({ tables }: Scope, accountKey: string, lock = raw('')): Script<Row | undefined> {
  const { rows } =
    yield sql`SELECT user_id, epoch, not_before, bans FROM ${tables.account} WHERE user_key = ${accountKey}${lock}`;
  return rows[0];
}

/** @throws SessionError SESSION_STORE_UNAVAILABLE for a row that this version cannot read: it may hold a ban */
function toAccount(row: Row | undefined): AccountRecord {
  const bans = toBans(row?.bans);
  if (!bans) {
    const cause = new Error(
      `the bans of the account ${String(row?.user_id)} cannot be read: lift the ban that OperatorService.bans shows, or ban it anew`,
    );
    throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
  }
  const notBefore = Number(row?.not_before ?? 0);
  return { epoch: Number(row?.epoch ?? 0), notBefore: isCountable(notBefore) ? notBefore : 0, bans };
}

/** Shows operators that bans cannot be read: until they lift it or ban anew, the account cannot log in. */
const UNREADABLE: Ban = {
  service: null,
  level: 1,
  comment: 'The bans of this account cannot be read. Lift this one, or ban anew.',
  until: null,
  at: 0,
  by: 'system',
};

/** The account with one ban in the place of those that cannot be read. */
export function toDamagedAccount(row: Row | undefined): AccountRecord {
  return toAccount(toBans(row?.bans) ? row : { ...row, bans: fromList([UNREADABLE]) });
}

export const LOCKED_COLUMNS = raw(
  `id, user_key, user_id, version, status, usable_until, expires_at, generation, access_hash, superseded, slot, device_type,
   device_id, created_at, last_seen_at, presented_at, impersonator`,
);

/** Locks the sessions of an account. */
export function* lockSessions({ tables, dialect }: Scope, accountKey: string): Script<readonly Row[]> {
  const { rows } =
    yield sql`SELECT ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
      WHERE ${isNotEndedOf(accountKey)} ORDER BY id${dialect.forUpdate()}`;
  return rows;
}

/** Hands on rows that have not ended. No condition says so, or PostgreSQL without statistics would read all live sessions. */
export function* lockRows({ tables, dialect, realm }: Scope, ids: readonly string[]): Script<readonly Row[]> {
  const locked: Row[] = [];
  for (const chunk of chunksOf([...ids].sort())) {
    const { rows } = yield sql`SELECT ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('PRIMARY')}
      WHERE id ${dialect.isOneOf(chunk)} AND ${isOfRealm(realm)} ORDER BY id${dialect.forUpdate()}`;
    locked.push(...rows.filter((row) => row.status !== 'ended'));
  }
  return locked;
}

/** Locks the sessions of an account, and the live ones that it opened as other users. Its row must be locked. */
export function* lockOfAccount(
  scope: Scope,
  account: AccountRef,
): Script<{ readonly own: readonly Row[]; readonly openedAsOthers: readonly Row[] }> {
  const { tables, dialect } = scope;
  const found = yield openedAs(scope, account);
  // Databases take more than one text for the same.
  const opened = found.rows.filter((row) => row.impersonator === actorText(account.userId));
  if (opened.length === 0) return { own: yield* lockSessions(scope, account.key), openedAsOthers: [] };
  // No session is added to the account while its row is locked.
  const { rows } =
    yield sql`SELECT id FROM ${tables.session}${dialect.through('idx_latchkey_session_account')} WHERE ${isNotEndedOf(account.key)}`;
  const ids = new Set([...rows, ...opened].map((row) => String(row.id)));
  const locked = yield* lockRows(scope, [...ids]);
  const isOwn = (row: Row) => row.user_key === account.key;
  return { own: locked.filter(isOwn), openedAsOthers: locked.filter((row) => !isOwn(row)) };
}

/** Finds live sessions that an account opened as others, among the few of all impersonators. */
export function openedAs({ tables, dialect }: Scope, { realm, userId }: AccountRef): Statement {
  return sql`SELECT id, impersonator FROM ${tables.session}${dialect.through('idx_latchkey_session_find_method')}
    WHERE realm = ${realm} AND status = 'live' AND login_method = 'impersonation'
      AND ${unindexed(sql`impersonator = ${actorText(userId)}`)}`;
}

/** How far a clock that was set back may have been ahead: later times are damaged. */
export const FARTHEST_AHEAD_MS = 86_400_000;

/**
 * Dates a step under the lock of an account: not before the logins that it ends, nor the change of credentials that it
 * follows, though clocks of nodes differ. Expiry is judged by the clock alone, which may have been set back.
 */
export function timeOfStep({ clock }: Scope, rows: readonly Row[], notBefore: number): number {
  const now = clock.now();
  const times = [notBefore, ...rows.map((row) => Number(row.created_at))];
  return times.filter((time) => time <= now + FARTHEST_AHEAD_MS).reduce((latest, time) => Math.max(latest, time), now);
}
