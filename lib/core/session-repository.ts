import type { LiveSession, SlotDecision } from './device-policy.js';
import type { EndReason } from './end-reason.js';
import type { EndedSession, NewSession, SessionRecord } from './session.js';
import type { AccountRef } from './user-key.js';

/** A login, ready to be recorded. */
export interface LoginRequest {
  readonly account: AccountRef;
  /** The session as it is to be stored if it begins at `now`. Called under the account's lock. Must be pure. */
  readonly open: (now: number) => NewSession;
  /** Epoch that the ticket of beginLogin names; null for a login without ticket. */
  readonly ticketEpoch: number | null;
  /** Called under the account's lock, possibly several times. Must be pure. */
  readonly decide: (live: readonly LiveSession[], now: number) => SlotDecision;
}

export type LoginOutcome =
  | { readonly kind: 'granted'; readonly session: NewSession; readonly ended: readonly EndedSession[] }
  | { readonly kind: 'limit-reached'; readonly limit: number; readonly ended: readonly EndedSession[] }
  | { readonly kind: 'superseded'; readonly ended: readonly EndedSession[] };

/** Why and by whom sessions end. */
export interface EndRequest {
  readonly reason: EndReason;
  /** 1 to 255 characters. */
  readonly by: string;
}

/** One use of a session. `at` is in milliseconds since the epoch. */
export interface Activity {
  readonly sessionId: string;
  readonly at: number;
  readonly ip: string | null;
}

/**
 * The record of every session: the one place where a verdict is decided. Every method is one atomic step, visible to all
 * readers when it resolves and lost as a whole if it rejects, unless said otherwise. A rejection with
 * SESSION_STORE_UNAVAILABLE means that the outcome is not known: nothing was done, or all of it. No method mutates its
 * arguments. Times are milliseconds since the epoch; every change of a verdict adds one to the version of the record and
 * is written to the change log in the same step.
 */
export interface SessionRepository {
  /** The records of distinct ids, live or ended, in any order; a session that this realm does not have is left out. */
  findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]>;

  /** The epoch of an account; 0 for one that is not known. */
  readEpoch(account: AccountRef): Promise<number>;

  /**
   * Records a login under the lock of its account: ends the account's overdue sessions, asks `decide`, ends the losers
   * with SESSION_REPLACED and inserts the winner. `superseded`: the account's epoch is not the ticket's. Whatever the
   * outcome, `ended` are the sessions that this call ended, and they stay ended.
   */
  login(request: LoginRequest): Promise<LoginOutcome>;

  /**
   * Ends one session. Null, and nothing done, if it is unknown, already ended, or not the account's where `account` is
   * given.
   */
  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null>;

  /**
   * Ends every live session of an account, except one. With `raiseEpoch` the epoch grows, so that no login that holds a
   * ticket from before lands afterwards. Complete under concurrent logins: each is acknowledged before and ended here,
   * or happens after.
   */
  endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]>;

  /** Live sessions of an account, newest first, at most 1,000. */
  listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]>;

  /** Merges uses into lastSeenAt and lastIp by the later time. Never revives a session and never changes a version. */
  recordActivity(activities: readonly Activity[]): Promise<void>;

  /** Ends at most `limit` sessions of the realm that are overdue, oldest first. */
  endOverdueSessions(limit: number): Promise<readonly EndedSession[]>;
}
