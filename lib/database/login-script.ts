import type { Clock } from '../core/clock.js';
import type { LoginOutcome, LoginRequest } from '../core/session-repository.js';
import { type AccountRef, actorText, escapeUserId } from '../core/user-key.js';
import type { Dialect } from './dialect.js';
import { ENDING_COLUMNS, endSessions, insertEvents, overdueEnding } from './ending-script.js';
import { insertSession, toLiveSession } from './session-rows.js';
import { type Row, type Script, type Statement, raw, sql } from './sql.js';
import type { Tables } from './tables.js';

/**
 * Makes sure that the row of the account is there. To be run on its own: SELECT FOR UPDATE of a missing row takes gap
 * locks on MariaDB and deadlocks with its like.
 */
export function ensureAccount(tables: Tables, dialect: Dialect, account: AccountRef, now: number): Statement {
  return sql`INSERT INTO ${tables.account} (user_key, realm, user_id, epoch, created_at)
    VALUES (${account.key}, ${account.realm}, ${escapeUserId(account.userId)}, 0, ${now})${dialect.orIgnore}`;
}

/** Locks the account, for logins and ends of all its sessions alike, and returns its epoch. */
export function* lockAccount(tables: Tables, dialect: Dialect, accountKey: string): Script<number> {
  const { rows } = yield sql`SELECT epoch FROM ${tables.account} WHERE user_key = ${accountKey}${dialect.forUpdate}`;
  return Number(rows[0]?.epoch ?? 0);
}

/** Locks the live rows of an account, always in the order of their ids, so that two lockers cannot deadlock. */
export function* lockLiveSessions(tables: Tables, dialect: Dialect, accountKey: string): Script<readonly Row[]> {
  const { rows } = yield sql`SELECT ${ENDING_COLUMNS}, ${raw('slot, device_id, created_at, last_seen_at')}
    FROM ${tables.session} WHERE user_key = ${accountKey} AND status = 'live' ORDER BY id${dialect.forUpdate}`;
  return rows;
}

/** The second step of a login: everything that is decided, under the lock of the account. */
export function* loginScript(
  tables: Tables,
  dialect: Dialect,
  clock: Clock,
  request: LoginRequest,
): Script<LoginOutcome> {
  const { account, ticketEpoch, decide } = request;
  const epoch = yield* lockAccount(tables, dialect, account.key);
  const rows = yield* lockLiveSessions(tables, dialect, account.key);
  // The clocks of two nodes differ by some milliseconds; a login must not date from before the one that it ends.
  const now = Math.max(clock.now(), ...rows.map((row) => Number(row.created_at)));
  const session = request.open(now);
  const isOverdue = (row: Row) => Number(row.usable_until) <= now;
  const overdue = yield* endSessions(tables, rows.filter(isOverdue), now, overdueEnding);
  const live = rows.filter((row) => !isOverdue(row));
  const event = {
    at: now,
    actor: actorText(account.userId),
    realm: account.realm,
    userKey: account.key,
    userId: escapeUserId(account.userId),
    sessionId: session.id,
    ip: session.ip,
    deviceType: session.deviceType,
    deviceName: session.deviceName,
  };
  if (ticketEpoch !== null && ticketEpoch !== epoch) {
    yield insertEvents(tables, [{ ...event, type: 'LOGIN_REFUSED', sessionId: null, reason: 'SESSION_REVOKED' }]);
    return { kind: 'superseded', ended: overdue };
  }
  const decision = decide(live.map(toLiveSession), now);
  if (decision.kind === 'refuse') {
    yield insertEvents(tables, [{ ...event, type: 'LOGIN_REFUSED', sessionId: null }]);
    return { kind: 'limit-reached', limit: decision.limit, ended: overdue };
  }
  const losers = live.filter((row) => decision.end.includes(String(row.id)));
  const replaced = yield* endSessions(tables, losers, now, () => ({
    reason: 'SESSION_REPLACED',
    by: event.actor,
    at: now,
    replacedBy: session.id,
  }));
  yield insertSession(tables.session, session, decision.slot);
  yield insertEvents(tables, [{ ...event, type: 'LOGIN' }]);
  return { kind: 'granted', session, ended: [...overdue, ...replaced] };
}
