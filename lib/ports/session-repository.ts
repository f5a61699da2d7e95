import type { LiveSession, SlotDecision } from '../model/device-slot.js';
import type { AccountRecord, AccountState, Ban } from '../model/ban.js';
import type { EndRequest, SessionDecision } from '../model/session-change.js';
import type { NewSession, SessionRecord } from '../model/session.js';
import type { EndedSession } from '../model/tombstone.js';
import type { AccountRef } from '../model/user-key.js';

/** A login, ready to be recorded. */
export interface LoginRequest {
  readonly account: AccountRef;
  /** The session as it is to be stored if it begins at `now`. Called under the account's lock. Must be pure. */
  readonly open: (now: number) => NewSession;
  /** Epoch that the ticket of beginLogin names; null for a login without ticket. */
  readonly ticketEpoch: number | null;
  /** When the user proved who they are, as the application says; null if it did not. */
  readonly authenticatedAt: number | null;
  /** Why an operator opens the session as the user, for the audit trail; null for any other login. */
  readonly impersonationComment: string | null;
  /** Whether the data of sessions that this login ends stays readable. */
  readonly keepReplacedData: boolean;
  /** Time after which every node has heard of an end. Milliseconds; see `unsettled`. */
  readonly settleMs: number;
  /** Called under the account's lock, possibly several times. Must be pure. */
  readonly decide: (live: readonly LiveSession[], now: number) => SlotDecision;
}

export type LoginOutcome =
  | {
      readonly kind: 'granted';
      readonly session: SessionRecord;
      readonly ended: readonly EndedSession[];
      /** Whether others ended sessions of the account so lately that some node may not have heard of it yet. */
      readonly unsettled: boolean;
    }
  | { readonly kind: 'limit-reached'; readonly limit: number; readonly ended: readonly EndedSession[] }
  | {
      readonly kind: 'superseded';
      readonly ended: readonly EndedSession[];
      /** Milliseconds by which notBefore lies in the future, so that `authenticatedAt` could not tell what came first; else 0. */
      readonly clockSetBackBy: number;
    }
  | { readonly kind: 'banned'; readonly ban: Ban; readonly ended: readonly EndedSession[] };

/** What became of it. */
export interface ChangedSession<T> {
  readonly result: T;
  /** The record as it is now; null if there is no such session. */
  readonly record: SessionRecord | null;
  /** Whether the step changed or ended the session. */
  readonly changed: boolean;
  readonly ended: EndedSession | null;
}

/** How a change waits for its turn at the row. */
export interface ChangeOptions<T> {
  /**
   * Asked where others have the row, or wait for it: the outcome that is certain without a lock, whatever they do to the session, or
   * null to wait for the row. It may throw. Default null.
   */
  readonly beforeWaiting?: () => Promise<ChangedSession<T> | null>;
  /** Default: the budget of ends. Milliseconds. */
  readonly budgetMs?: number;
}

/** A token of a session was presented. Times in milliseconds since the epoch. */
export interface Activity {
  readonly sessionId: string;
  /** The last time. */
  readonly at: number;
  /** The last time that counts as a use; null if none does. */
  readonly usedAt: number | null;
  /** The last address that is known. */
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

  /**
   * Records a login under the lock of its account: ends the account's overdue sessions, asks `decide`, ends the losers
   * with SESSION_REPLACED and inserts the winner. Sessions of impersonators are left out of what `decide` sees.
   * `superseded`: the account's epoch is not the ticket's, or its notBefore is not before `authenticatedAt`; where that
   * lies in the future, the clock was set back, and only the ticket counts if there is one. `banned`: a
   * ban of the account is in force. Whatever the outcome, `ended` are the sessions that this call ended, and they stay ended.
   */
  login(request: LoginRequest): Promise<LoginOutcome>;

  /**
   * Asks `decide` what is to become of a session while its row is locked, and does it in the same step. `decide` is called
   * with null for a session that this realm does not have, possibly several times, and must have no effect of its own. An
   * ended session is not changed, whatever it says. See ChangeOptions for a row that others have.
   */
  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    options?: ChangeOptions<T>,
  ): Promise<ChangedSession<T>>;

  /**
   * Ends one session. Null, and nothing done, if it is unknown, already ended, or not the account's where `account` is
   * given.
   */
  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null>;

  /** Ends those of these sessions that are live, at most 500 ids. */
  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]>;

  /**
   * Ends every live session of an account, except one, and those that it opened as others. With `raiseEpoch` the epoch grows and notBefore becomes now, so that
   * no login lands afterwards that was proved before; the excepted session counts as proved now. Complete under concurrent logins: each is acknowledged before and ended here,
   * or happens after.
   */
  endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]>;

  /** The account; one that is not known has epoch 0. One ban from everything stands for bans that cannot be read. */
  readAccount(account: AccountRef): Promise<AccountRecord>;

  /**
   * Puts a ban in the place of the one that the account has for the same service, if any. With `endSessions`, ends all its
   * sessions with ACCOUNT_DISABLED; without, every session of it carries the ban from then on, and `changed` are those. A ban from
   * everything also ends the sessions that the account opened as others, with SESSION_KICKED.
   */
  ban(account: AccountRef, ban: Omit<Ban, 'at'>, endSessions: boolean): Promise<BanOutcome>;

  /** Removes the ban for a service, null for the one from everything. Null, and nothing done, if there is none. */
  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null>;

  /** Live sessions of an account, newest first, at most 1,000. */
  listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]>;

  /** Merges times and addresses into lastSeenAt, presentedAt and lastIp by the later time. Never revives a session and never changes a version. */
  recordActivity(activities: readonly Activity[]): Promise<void>;

  /** Ends at most `limit` sessions of the realm that are overdue, oldest first. */
  endOverdueSessions(limit: number): Promise<readonly EndedSession[]>;

  /** Ends at most `limit` sessions of the realm with SESSION_IDLE that were not used for `idleMs + slackMs`. */
  endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]>;
}

export interface BanOutcome {
  readonly ban: Ban;
  readonly ended: readonly EndedSession[];
  /** Live sessions whose verdict may have changed. */
  readonly changed: readonly { readonly sessionId: string; readonly version: number }[];
}
