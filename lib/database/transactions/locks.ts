import { type AccountRecord, UNREADABLE_BANS } from '../../model/ban.js';
import { SessionError } from '../../model/session-error.js';
import type { SessionEnd, SessionRecord } from '../../model/session.js';
import { type AccountRef, actorText, escapeUserId } from '../../model/user-key.js';
import type { Clock } from '../../ports/clock.js';
import type { Dialect } from '../engine/dialect.js';
import { type Row, type Script, type Statement, effect, raw, sql, unindexed } from '../engine/sql.js';
import { isLiveSince, isMassEnded, isNotEndedOf, realmEpoch, selectAround } from '../schema/live-sessions.js';
import { fromList, isCountable, isOfRealm, toBans } from '../schema/session-rows.js';
import type { Tables } from '../schema/tables.js';

// The one order of locks, which rules out deadlocks: the row of one account first, then sessions in the order of their ids.

export interface Scope {
  readonly tables: Tables;
  readonly dialect: Dialect;
  readonly realm: string;
  readonly clock: Clock;
  /** The end of a session that this node knows of, which the database may have lost; null for none. */
  readonly endOf?: (record: SessionRecord) => SessionEnd | null;
}

/** Most rows of one statement, below every engine's limit of parameters. */
const CHUNK = 500;

export function* chunksOf<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < rows.length; from += CHUNK) yield rows.slice(from, from + CHUNK);
}

/** Inserts the row of the account if missing. To be run on its own: SELECT FOR UPDATE of a missing row deadlocks on MariaDB. */
export function ensureAccount({ tables, dialect, clock }: Scope, account: AccountRef): Statement {
  return sql`INSERT INTO ${tables.account} (user_key, realm, user_id, epoch, not_before, version, end_epoch, logins, created_at)
    VALUES (${account.key}, ${account.realm}, ${escapeUserId(account.userId)}, 0, 0, 0, 0, 0, ${clock.now()})${dialect.orIgnore}`;
}

/** An account as its steps see it, whose row they lock. */
export interface LockedAccount extends AccountRecord {
  readonly version: number;
  /** Epochs of sessions that are opened now. */
  readonly endEpoch: number;
  readonly realmEpoch: number;
  /** Those that have not ended, or, as long as rows of a mass end have yet to be closed, the live ones: an index leads past the others. */
  readonly sessions: Statement;
  /** Number of logins so far. */
  readonly logins: number;
}

export function* lockAccount(scope: Scope, accountKey: string): Script<LockedAccount> {
  return yield* lock(scope, accountKey, toAccount);
}

/** Locks it for steps that must be possible even if its bans cannot be read. */
export function* lockDamagedAccount(scope: Scope, accountKey: string): Script<LockedAccount> {
  return yield* lock(scope, accountKey, toDamagedAccount);
}

function* lock(
  { tables, dialect, realm }: Scope,
  key: string,
  read: (row: Row | undefined) => AccountRecord,
): Script<LockedAccount> {
  const { rows } =
    yield sql`SELECT user_id, epoch, not_before, bans, version, end_epoch, logins, ${realmEpoch(tables, realm)} AS realm_epoch,
      (SELECT COUNT(*) FROM ${tables.massEnd} WHERE scope = ${key} AND closed_at IS NULL) AS unclosed
      FROM ${tables.account} WHERE user_key = ${key}${dialect.forUpdate()}`;
  const [row] = rows;
  const account = read(row);
  const [version, endEpoch] = [Number(row?.version ?? 0), Number(row?.end_epoch ?? 0)];
  const isClosing = Number(row?.unclosed ?? 0) > 0;
  const sessions = isClosing ? isLiveSince(tables, realm, key, endEpoch) : isNotEndedOf(tables, realm, key);
  const [realmEpochNow, logins] = [Number(row?.realm_epoch ?? 0), Number(row?.logins ?? 0)];
  const epochs = { version, endEpoch, realmEpoch: realmEpochNow, logins, sessions };
  if (!row || (endEpoch >= 0 && endEpoch <= version && isCountable(version))) return { ...account, ...epochs };
  // Damaged numbers: sessions go by the last mass end.
  const { rows: last } = yield sql`SELECT MAX(version) AS end_epoch FROM ${tables.massEnd} WHERE scope = ${key}`;
  const mended = { version: nextVersion(version), endEpoch: Number(last[0]?.end_epoch ?? 0) };
  yield effect(
    sql`UPDATE ${tables.account} SET version = ${mended.version}, end_epoch = ${mended.endEpoch} WHERE user_key = ${key}`,
  );
  return { ...account, ...epochs, ...mended, sessions: isNotEndedOf(tables, realm, key) };
}

/**
 * Reads what completes the row of a locked session: its account, and the mass ends that it falls under. An unknown account has
 * no bans. @throws SessionError for bans that cannot be read
 */
export function* readAround(
  { tables, realm }: Scope,
  session: Row,
): Script<{ readonly account: AccountRecord; readonly row: Row }> {
  const { rows } = yield selectAround(tables, realm, session);
  const row = rows[0]!;
  return { account: toAccount({ ...row, user_id: row.account_user_id }), row: { ...row, ...session } };
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

/** The account with one ban in the place of those that cannot be read. */
export function toDamagedAccount(row: Row | undefined): AccountRecord {
  return toAccount(toBans(row?.bans) ? row : { ...row, bans: fromList([UNREADABLE_BANS]) });
}

export const LOCKED_COLUMNS = raw(
  `id, user_key, user_id, version, status, usable_until, expires_at, generation, access_hash, superseded, slot, device_type,
   device_id, device_name, created_at, last_seen_at, idle_ms, presented_at, impersonator, account_epoch, realm_epoch`,
);

/** Locks the sessions of an account, whose row must be locked. */
export function* lockSessions(
  { tables, dialect }: Scope,
  { sessions }: LockedAccount,
  columns = LOCKED_COLUMNS,
): Script<readonly Row[]> {
  const { rows } = yield sql`SELECT ${columns} FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
      WHERE ${sessions} ORDER BY id${dialect.forUpdate()}`;
  return rows;
}

/** Hands on rows of sessions that have not ended. */
export function* lockRows(scope: Scope, ids: readonly string[]): Script<readonly Row[]> {
  return (yield* lockUnclosedRows(scope, ids)).filter((row) => !isMassEndedRow(row));
}

export function isMassEndedRow(row: Row): boolean {
  return Number(row.is_mass_ended) !== 0;
}

/** The same with those that a mass end has ended. No condition says so, or PostgreSQL without statistics would read all live sessions. */
export function* lockUnclosedRows({ tables, dialect, realm }: Scope, ids: readonly string[]): Script<readonly Row[]> {
  const locked: Row[] = [];
  const isOver = sql`CASE WHEN ${isMassEnded(tables, realm)} THEN 1 ELSE 0 END AS is_mass_ended`;
  for (const chunk of chunksOf([...ids].sort())) {
    const { rows } = yield sql`SELECT ${LOCKED_COLUMNS}, ${isOver} FROM ${tables.session}${dialect.through('PRIMARY')}
      WHERE id ${dialect.isOneOf(chunk)} AND ${isOfRealm(realm)} ORDER BY id${dialect.forUpdate()}`;
    locked.push(...rows.filter((row) => row.status !== 'ended'));
  }
  return locked;
}

/** Locks the sessions of an account, and the live ones that it opened as other users. Its row must be locked. */
export function* lockOfAccount(
  scope: Scope,
  account: AccountRef,
  locked: LockedAccount,
): Script<{ readonly own: readonly Row[]; readonly openedAsOthers: readonly Row[] }> {
  const { tables, dialect } = scope;
  const opened = yield* findOpenedAs(scope, account);
  if (opened.length === 0) return { own: yield* lockSessions(scope, locked), openedAsOthers: [] };
  // No session is added to the account while its row is locked.
  const { rows } = yield sql`SELECT id FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
      WHERE ${locked.sessions}`;
  const ids = new Set([...rows, ...opened].map((row) => String(row.id)));
  const all = yield* lockRows(scope, [...ids]);
  const isOwn = (row: Row) => row.user_key === account.key;
  return { own: all.filter(isOwn), openedAsOthers: all.filter((row) => !isOwn(row)) };
}

/** Finds live sessions that an account opened as others. */
export function openedAs({ tables, dialect }: Scope, { realm, userId }: AccountRef): Statement {
  return sql`SELECT id, impersonator FROM ${tables.session}${dialect.through('idx_latchkey_session_opened')}
    WHERE status = 'live' AND impersonator = ${actorText(userId)}
      AND ${unindexed(sql`realm = ${realm} AND realm_epoch = ${realmEpoch(tables, realm)}`)}`;
}

/** The rows of `openedAs`. Databases take more than one text for the same. */
export function* findOpenedAs(scope: Scope, account: AccountRef): Script<readonly Row[]> {
  const { rows } = yield openedAs(scope, account);
  return rows.filter((row) => row.impersonator === actorText(account.userId));
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

/** Counting goes on here after a number that cannot have been counted: above any that has been, and so above those of all copies. */
const NO_COUNT_FROM = 1e12;

/** The version of a session's row after a change. */
export const NEXT_VERSION = raw(
  `CASE WHEN version BETWEEN 0 AND ${2 * NO_COUNT_FROM} THEN version + 1 ELSE ${NO_COUNT_FROM} END`,
);

/** The same for a number that was read. */
export function nextVersion(version: number): number {
  return version >= 0 && version <= NO_COUNT_FROM * 2 ? version + 1 : NO_COUNT_FROM;
}
