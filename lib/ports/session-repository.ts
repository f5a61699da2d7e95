import type { SessionChange } from './node-registry.js';
import type {
  EndRequest,
  EndedSession,
  LiveSession,
  LoginView,
  RoomToMake,
  SessionDecision,
  SlotDecision,
} from '../model/session-change.js';
import type { AccountRecord, AccountState, Ban } from '../model/ban.js';
import type { ScopeChange } from '../model/mass-end.js';
import type { LifeRules } from '../model/session-life.js';
import type { Claims, NewSession, SessionRecord } from '../model/session.js';
import type { AccountRef } from '../model/user-key.js';

export interface LoginRequest {
  readonly account: AccountRef;
  /** Builds the row of a session that begins at `now`. Called under the account's lock. Must be pure. */
  readonly open: (now: number) => NewSession;
  /** Epoch in the ticket of beginLogin; null without a ticket. */
  readonly ticketEpoch: number | null;
  /** Epoch of the account before the application was asked for the claims; null if it gave them. */
  readonly claimsEpoch: number | null;
  /** Time of the proof of identity as the application reports it, or null. */
  readonly authenticatedAt: number | null;
  /** Operator's comment on an impersonation, for the audit trail; null for any other login. */
  readonly impersonationComment: string | null;
  /** Keeps the data of sessions that this login ends readable. */
  readonly keepReplacedData: boolean;
  /** Choice of a user whose login was refused before; null for any other login. */
  readonly makeRoom: ({ readonly end: RoomToMake } & Pick<AccountProgress, 'realmEpoch' | 'logins'>) | null;
  /** Selects the sessions that `decide` sees. */
  readonly view: LoginView;
  /** Called under the account's lock, possibly several times. Must be pure. */
  readonly decide: (live: readonly LiveSession[], now: number) => SlotDecision;
}

/** State of an account that a limit ticket names. */
export interface AccountProgress {
  readonly epoch: number;
  readonly realmEpoch: number;
  /** Number of logins so far. */
  readonly logins: number;
}

export type LoginOutcome =
  | {
      readonly kind: 'granted';
      readonly session: SessionRecord;
      readonly ended: readonly EndedSession[];
      /** True if the change log names an end of the account by another call: some node may not know yet. */
      readonly unsettled: boolean;
    }
  /** The account's epoch is not `claimsEpoch`: the claims may be older than a change of them. */
  | { readonly kind: 'outdated'; readonly ended: readonly EndedSession[] }
  | {
      readonly kind: 'limit-reached';
      readonly limit: number;
      readonly ended: readonly EndedSession[];
      /** Sessions that the policy saw. */
      readonly live: readonly LiveSession[];
      readonly account: AccountProgress;
      readonly at: number;
    }
  /** Somebody else has logged in since the user was asked to choose, or everybody was logged out. */
  | { readonly kind: 'choice-void'; readonly ended: readonly EndedSession[] }
  /** The policy needs to see more than MOST_SEEN sessions. */
  | { readonly kind: 'too-many'; readonly ended: readonly EndedSession[] }
  | {
      readonly kind: 'superseded';
      readonly ended: readonly EndedSession[];
      /** Milliseconds by which notBefore lies in the future, so that `authenticatedAt` cannot be compared with it; else 0. */
      readonly clockSetBackBy: number;
    }
  | { readonly kind: 'banned'; readonly ban: Ban; readonly ended: readonly EndedSession[] };

export interface ChangedSession<T> {
  readonly result: T;
  /** The record after the step; null for an unknown session. */
  readonly record: SessionRecord | null;
  /** True if the step changed or ended the session. */
  readonly changed: boolean;
  readonly ended: EndedSession | null;
}

export interface ChangeOptions<T> {
  /** Called before waiting for a locked row. Returns an outcome that is certain without the lock, or null to wait. May throw. */
  readonly beforeWaiting?: () => Promise<ChangedSession<T> | null>;
  /** Milliseconds. Default: the budget of ends. */
  readonly budgetMs?: number;
}

/** Latest presentations of a session's tokens. Times are milliseconds since the epoch. */
export interface Activity {
  readonly sessionId: string;
  /** The last presentation. */
  readonly at: number;
  /** The last one that counts as a use, or null. */
  readonly usedAt: number | null;
  /** The last known address. */
  readonly ip: string | null;
}

/**
 * Stores the record of every session, the one authority on verdicts. Every method is one atomic step, visible to all
 * readers once it resolves and rolled back if it rejects, unless stated otherwise. After SESSION_STORE_UNAVAILABLE the
 * outcome is unknown: all or nothing was done. Methods do not mutate their arguments. Times are milliseconds since the
 * epoch. Every change of a verdict increments the record's version and is written to the change log in the same step.
 */
export interface SessionRepository {
  /** Reads the records of distinct ids, live or ended, in any order. Skips sessions unknown to this realm. */
  findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]>;

  /**
   * Records a login under the lock of its account: asks `decide`, ends the losers with SESSION_REPLACED, and an overdue
   * session that holds the slot granted, and inserts the winner. `decide` sees the live sessions of `view`, and is asked
   * again with the one that holds the slot granted, if it did not see that. It sees none of impersonators. A session that `makeRoom` names ends before
   * `decide` is asked, and with `oldest` one after the other until it grants. `superseded`: the
   * account's epoch is not the ticket's, or notBefore is not before `authenticatedAt`. If notBefore lies in the future,
   * the clock was set back, and only a ticket counts, if there is one. `banned`: a ban of the account is in force.
   * Whatever the outcome, the sessions in `ended` stay ended.
   */
  login(request: LoginRequest): Promise<LoginOutcome>;

  /**
   * Asks `decide` under the row's lock, and applies its decision in the same step. `decide` gets null for a session
   * unknown to this realm, may be called several times and must be pure. Ended sessions are never changed.
   */
  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    options?: ChangeOptions<T>,
  ): Promise<ChangedSession<T>>;

  /** Ends one session. Returns null, and does nothing, if it is unknown, already ended, or not of `account` where given. */
  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null>;

  /** Ends the live ones of at most 500 sessions. */
  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]>;

  /**
   * Ends every live session of an account except one, and those it opened as an impersonator. More than 200 end as one:
   * every read finds them ended once this resolves, and their rows are closed later. With `raiseEpoch`,
   * increments the epoch and sets notBefore to now, so that no login with an earlier proof succeeds; the exempted
   * session counts as proved now. Complete under concurrent logins: each either precedes and is ended here, or follows.
   */
  endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<AccountEnd>;

  /** Ends every session of the realm, however many there are, before it resolves; their rows are closed later. */
  endRealm(end: EndRequest): Promise<ScopeChange>;

  /** Notes that every node knows of an end of all sessions of an account or of the realm. */
  noteAcknowledged(change: ScopeChange): Promise<void>;

  /** Reads an account; an unknown one has epoch 0. Unreadable bans are reported as one ban from everything. */
  readAccount(account: AccountRef): Promise<AccountRecord>;

  /** Reads an account as it is once every step that holds its lock has committed or failed. */
  readSettledAccount(account: AccountRef): Promise<AccountRecord>;

  /**
   * Sets a ban, replacing the account's ban from the same service. With `endSessions`, ends all sessions with
   * ACCOUNT_DISABLED, as endAccountSessions does. Every record of the account carries the ban from then on. A ban from
   * everything also ends the sessions that the account opened as an impersonator, with SESSION_KICKED.
   */
  ban(account: AccountRef, ban: Omit<Ban, 'at'>, endSessions: boolean): Promise<BanOutcome>;

  /** Lifts the ban from a service, or from everything for null. Returns null, and does nothing, if there is no such ban. */
  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null>;

  /**
   * Gives every live session of an account the claims that `change` makes of its own, and raises the version of the account, so that
   * no copy from before counts, and its epoch, so that no login with an earlier ticket or claims succeeds. `change` must be pure;
   * may throw. Returns null, and does nothing, for more than MOST_CHANGED sessions.
   */
  changeAccountClaims(
    account: AccountRef,
    change: (claims: Claims) => Claims,
    about: ClaimsChangeNote,
  ): Promise<ClaimsChange | null>;

  /** Lists live sessions of an account, newest first, at most 1,000. */
  listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]>;

  /** Merges times and addresses; the later time wins. Never revives a session or changes a version. */
  recordActivity(activities: readonly Activity[]): Promise<void>;

  /** Ends at most `limit` overdue sessions of the realm, oldest first. */
  endOverdueSessions(limit: number): Promise<readonly EndedSession[]>;

  /** Ends, with SESSION_IDLE, at most `limit` sessions of the realm that were not used for their idle timeout and the slack. */
  endIdleSessions(rules: IdleRules, limit: number): Promise<readonly EndedSession[]>;
}

/** Rules by which a sweep finds idle sessions. */
export interface IdleRules extends LifeRules {
  /** Tolerance for uses that another node has not written yet. Milliseconds. */
  readonly slackMs: number;
  /** Time of the latest use that was lost: up to then, no record proves idleness. -Infinity for none. */
  readonly lostAt: number;
}

/** Result of ending all sessions of an account. */
export interface AccountEnd {
  /** Sessions that were closed one by one. */
  readonly ended: readonly EndedSession[];
  /** The session that was kept, where it has a new version: copies from before would pass for ended. */
  readonly changed: readonly SessionChange[];
  /** The end of all of the account's own sessions as one; null if each was closed. */
  readonly change: ScopeChange | null;
}

export interface BanOutcome {
  readonly ban: Ban;
  readonly ended: readonly EndedSession[];
  /** The new version of the account, with the end of its sessions as one, if that is how they ended. */
  readonly change: ScopeChange;
}

/** Line of the audit trail on a change of claims. */
export interface ClaimsChangeNote {
  /** 1 to 255 characters. */
  readonly by: string;
  /** The claims that change. */
  readonly names: readonly string[];
  readonly comment: string | null;
}

export interface ClaimsChange {
  /** Number of sessions that have the new claims. */
  readonly changed: number;
  /** The new version of the account. */
  readonly change: ScopeChange;
}
