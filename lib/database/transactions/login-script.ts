import type { Clock } from '../../ports/clock.js';
import { type AccountRecord, type Ban, accountBan } from '../../model/ban.js';
import { SessionError } from '../../model/session-error.js';
import type { LoginOutcome, LoginRequest } from '../../ports/session-repository.js';
import type { SessionRecord } from '../../model/session.js';
import { type AccountRef, actorText, escapeUserId } from '../../model/user-key.js';
import type { Dialect } from '../engine/dialect.js';
import { describeAccount, endSessions, insertEvents, overdueEnding } from './ending-script.js';
import { insertSession, isCountable, isLiveOf, isNotEndedOf, toLiveSession } from '../schema/session-rows.js';
import { lockSessions } from './session-locks.js';
import { type Row, type Script, type Statement, effect, raw, sql } from '../engine/sql.js';
import { fromList, toBans } from '../schema/stored-json.js';
import type { Tables } from '../schema/tables.js';

/**
 * Makes sure that the row of the account is there. To be run on its own: SELECT FOR UPDATE of a missing row takes gap
 * locks on MariaDB and deadlocks with its like.
 */
export function ensureAccount(tables: Tables, dialect: Dialect, account: AccountRef, now: number): Statement {
  return sql`INSERT INTO ${tables.account} (user_key, realm, user_id, epoch, not_before, created_at)
    VALUES (${account.key}, ${account.realm}, ${escapeUserId(account.userId)}, 0, 0, ${now})${dialect.orIgnore}`;
}

/** How far a clock that was set back may have been ahead. */
const FARTHEST_AHEAD_MS = 86_400_000;

/** Locks the account, for logins and for whatever concerns all of its sessions. */
export function* lockAccount(tables: Tables, dialect: Dialect, accountKey: string): Script<AccountRecord> {
  return toAccount(yield* findAccount(tables, accountKey, dialect.forUpdate()));
}

/** The same for what must be possible whatever the bans are. */
export function* lockDamagedAccount(tables: Tables, dialect: Dialect, accountKey: string): Script<AccountRecord> {
  return toDamagedAccount(yield* findAccount(tables, accountKey, dialect.forUpdate()));
}

/** Reads the account; one that is not known has nothing to say. */
export function* readAccount(tables: Tables, accountKey: string): Script<AccountRecord> {
  return toAccount(yield* findAccount(tables, accountKey, raw('')));
}

function* findAccount(tables: Tables, accountKey: string, lock: Statement): Script<Row | undefined> {
  const { rows } =
    yield sql`SELECT user_id, epoch, not_before, bans FROM ${tables.account} WHERE user_key = ${accountKey}${lock}`;
  return rows[0];
}

/** @throws SessionError SESSION_STORE_UNAVAILABLE for a row that this version cannot read: it may hold a ban */
export function toAccount(row: Row | undefined): AccountRecord {
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

/** Stands for bans that cannot be read, for operators: as long as no one lifts it or bans anew, the account cannot log in. */
const UNREADABLE: Ban = {
  service: null,
  level: 1,
  comment: 'The bans of this account cannot be read. Lift this one, or ban anew.',
  until: null,
  at: 0,
  by: 'system',
};

/** The same with one ban in the place of those that cannot be read. */
export function toDamagedAccount(row: Row | undefined): AccountRecord {
  return toAccount(toBans(row?.bans) ? row : { ...row, bans: fromList([UNREADABLE]) });
}

/**
 * The time that a step is dated with that holds the lock of an account. The clocks of two nodes differ by some milliseconds;
 * a step must not date from before the logins that it ends, nor from before the change of credentials that it comes after. What no
 * clock was set back from is no time. After a clock was set back it is not the time: what has run out is judged by the clock.
 */
export function timeOfStep(clock: Clock, rows: readonly Row[], notBefore: number): number {
  const now = clock.now();
  const times = [notBefore, ...rows.map((row) => Number(row.created_at))];
  return times.filter((time) => time <= now + FARTHEST_AHEAD_MS).reduce((latest, time) => Math.max(latest, time), now);
}

/**
 * The second step of a login: everything that is decided, under the lock of the account.
 * @param isAgain whether it has failed before, perhaps for a slot that a row holds which is neither live nor ended
 */
export function* loginScript(
  tables: Tables,
  dialect: Dialect,
  clock: Clock,
  request: LoginRequest,
  isAgain: boolean,
): Script<LoginOutcome> {
  const { account, authenticatedAt, ticketEpoch, decide } = request;
  const { epoch, notBefore, bans } = yield* lockAccount(tables, dialect, account.key);
  const rows = yield* lockSessions(tables, dialect, account.key, isAgain ? isNotEndedOf : isLiveOf);
  const now = clock.now();
  const at = timeOfStep(clock, rows, notBefore);
  const opened = request.open(at);
  const session: SessionRecord = {
    ...opened,
    version: 1,
    superseded: [],
    renewedFrom: null,
    reauthenticatedAt: null,
    // A ticket lets in what bears an earlier time after the clock was set back; its refreshes compare the times.
    authenticatedAt: Math.max(opened.authenticatedAt, Math.min(notBefore, at)),
    bans,
    lastSeenAt: opened.createdAt,
    lastIp: null,
    end: null,
  };
  const isOverdue = (row: Row) => Number(row.usable_until) <= now;
  const overdue = yield* endSessions(tables, dialect, clock, rows.filter(isOverdue), at, overdueEnding);
  const live = rows.filter((row) => !isOverdue(row));
  const event = {
    at,
    actor: session.impersonator ?? actorText(account.userId),
    ...describeAccount(account),
    sessionId: session.id,
    ip: session.ip,
    deviceType: session.deviceType,
    deviceName: session.deviceName,
  };
  const ban = accountBan(bans, now);
  if (ban) {
    yield effect(
      insertEvents(tables, [{ ...event, type: 'LOGIN_REFUSED', sessionId: null, reason: 'ACCOUNT_DISABLED' }]),
    );
    return { kind: 'banned', ban, ended: overdue };
  }
  const isSetBack = notBefore > now;
  // Where the clock was set back, only the number of a ticket says what came first.
  const isLate = authenticatedAt !== null && authenticatedAt <= notBefore && !(isSetBack && ticketEpoch === epoch);
  if (isLate || (ticketEpoch !== null && ticketEpoch !== epoch)) {
    yield effect(
      insertEvents(tables, [{ ...event, type: 'LOGIN_REFUSED', sessionId: null, reason: 'SESSION_REVOKED' }]),
    );
    return { kind: 'superseded', ended: overdue, clockSetBackBy: isLate && isSetBack ? notBefore - now : 0 };
  }
  if (notBefore > now + FARTHEST_AHEAD_MS) {
    yield effect(sql`UPDATE ${tables.account} SET not_before = ${at} WHERE user_key = ${account.key}`);
  }
  if (session.impersonator !== null) {
    yield effect(insertSession(tables.session, session, `as:${session.id}`));
    yield effect(
      insertEvents(tables, [{ ...event, type: 'IMPERSONATION', detail: { comment: request.impersonationComment } }]),
    );
    return { kind: 'granted', session, ended: overdue, unsettled: false };
  }
  const own = live.filter((row) => row.impersonator === null);
  const decision = decide(own.map(toLiveSession), at);
  if (decision.kind === 'refuse') {
    yield effect(insertEvents(tables, [{ ...event, type: 'LOGIN_REFUSED', sessionId: null }]));
    return { kind: 'limit-reached', limit: decision.limit, ended: overdue };
  }
  const losers = own.filter((row) => decision.end.includes(String(row.id)));
  const replaced = yield* endSessions(tables, dialect, clock, losers, at, () => ({
    reason: 'SESSION_REPLACED',
    by: event.actor,
    at,
    replacedBy: session.id,
    keepData: request.keepReplacedData,
  }));
  const unsettled = yield* hasEndedSince(tables, account.key, now - request.settleMs);
  yield effect(insertSession(tables.session, session, decision.slot));
  yield effect(insertEvents(tables, [{ ...event, type: 'LOGIN' }]));
  return { kind: 'granted', session, ended: [...overdue, ...replaced], unsettled };
}

/**
 * Whether a session of the account ended after a time. Another node may be about to tell of it, or may have crashed before
 * it could, and the slot that came free is given away now.
 */
function* hasEndedSince(tables: Tables, accountKey: string, time: number): Script<boolean> {
  const { rows } = yield sql`SELECT 1 AS found FROM ${tables.session}
    WHERE user_key = ${accountKey} AND ended_at > ${time} LIMIT 1`;
  return rows.length > 0;
}
