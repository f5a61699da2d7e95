import type { Ban } from './ban.js';
import type { EndReason } from './session.js';

/**
 * Types of audit events.
 * - LOGIN, LOGIN_REFUSED: a session opened, or was refused because of a limit, a ban or an outdated proof
 * - LOGIN_FAILED: the application reported a failed login; `detail.reason` says why, and the user is the one the client
 *   claimed to be
 * - IMPERSONATION: an operator (`actor`) opened a session as the user
 * - TOKEN_RENEWED: successors replaced the tokens of a session
 * - REFRESH_REUSED: a refresh token came back after its grace; `ip` is where from, `detail.renewedFrom` the address
 *   that got its successor
 * - SESSION_ENDED: one session ended, with the reason
 * - ACCOUNT_SESSIONS_ENDED: one call ended all sessions of an account; `ended` counts them, and is null for more than 200,
 *   which have no line of their own
 * - REALM_SESSIONS_ENDED: an operator ended every session of the realm
 * - BULK_KICK: an operator ended the sessions of a selection or filter, named in `detail`; written at the start and at
 *   the end, when `ended` counts them
 * - KICK_WITHOUT_EFFECT: an operator tried to end a session that was not live
 * - REAUTHENTICATED: the user proved their identity again
 * - CLAIMS_CHANGED: the claims of all sessions of an account were changed; `detail` names the claims and counts the sessions
 * - BANNED, BAN_LIFTED: an account was banned, or its ban lifted; `detail` holds the ban
 * - EXPORTED: an operator downloaded a list; `detail` names it and counts its lines
 */
export const SESSION_EVENT_TYPES = [
  'LOGIN',
  'LOGIN_REFUSED',
  'LOGIN_FAILED',
  'IMPERSONATION',
  'TOKEN_RENEWED',
  'REFRESH_REUSED',
  'SESSION_ENDED',
  'ACCOUNT_SESSIONS_ENDED',
  'REALM_SESSIONS_ENDED',
  'BULK_KICK',
  'KICK_WITHOUT_EFFECT',
  'REAUTHENTICATED',
  'CLAIMS_CHANGED',
  'BANNED',
  'BAN_LIFTED',
  'EXPORTED',
] as const;

export type SessionEventType = (typeof SESSION_EVENT_TYPES)[number];

/** One event of the audit trail. */
export interface SessionEvent {
  /** 32 hex digits that sort by time. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly type: SessionEventType;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly reason: EndReason | null;
  /** A user id, an operator, or 'system'. */
  readonly actor: string;
  readonly ip: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly ended: number | null;
  /** Further fields of this type of event, plain JSON. */
  readonly detail: Readonly<Record<string, unknown>> | null;
}

/**
 * Lifecycle events of sessions, emitted after the commit on the node that made the change. They contain no tokens.
 *
 * - `session.login`: a session opened; `impersonator` is set if an operator opened it
 * - `session.renewed`: an access token near its expiry got a successor (sliding)
 * - `session.refreshed`: a refresh token got the next pair
 * - `session.refresh-reused`: a refresh token was reused after its grace; the session has ended, and `session.ended`
 *   follows
 * - `session.ended`: a session ended, for any reason: logout, replacement, kick, revocation, ban, idleness, expiry
 * - `session.reauthenticated`: the user proved their identity again
 * - `account.claims-changed`: the claims that `claims` names were changed in `changed` live sessions of a user
 * - `account.banned`, `account.ban-lifted`
 * - `account.login-failed`: the application reported a failed login; `userId` is the client's claim, or null
 * - `database.commits-lost`: after a fail-over of the database or the like, `rewritten` sessions were live again after
 *   their end, and have been ended again, as were all sessions of `rewrittenMassEnds` users or of the realm; `missing`
 *   others that have ended have no row; `lostChanges` users lack their last change, such as a ban. Not `isComplete`:
 *   more sessions ended lately than the node remembers
 */
export type LifecycleEvent =
  | {
      readonly type: 'session.login';
      readonly sessionId: string;
      readonly userId: string;
      readonly deviceType: string | null;
      readonly ip: string | null;
      readonly impersonator: string | null;
    }
  | {
      readonly type: 'session.renewed' | 'session.refreshed' | 'session.reauthenticated';
      readonly sessionId: string;
      readonly userId: string;
    }
  | {
      readonly type: 'session.refresh-reused';
      readonly sessionId: string;
      readonly userId: string;
      /** Address that presented the reused token. */
      readonly ip: string | null;
      /** Address that got its successor. */
      readonly renewedFrom: string | null;
    }
  | {
      readonly type: 'session.ended';
      readonly sessionId: string;
      readonly userId: string;
      readonly reason: EndReason;
    }
  | {
      readonly type: 'account.claims-changed';
      readonly userId: string;
      readonly claims: readonly string[];
      readonly changed: number;
    }
  | { readonly type: 'account.banned' | 'account.ban-lifted'; readonly userId: string; readonly ban: Ban }
  | {
      readonly type: 'account.login-failed';
      readonly userId: string | null;
      readonly ip: string | null;
      readonly deviceType: string | null;
      readonly reason: FailedLoginReason;
    }
  | {
      readonly type: 'database.commits-lost';
      readonly rewritten: number;
      readonly rewrittenMassEnds: number;
      readonly missing: number;
      readonly lostChanges: number;
      readonly isComplete: boolean;
    };

/** Receives events. `emit` never throws and does not wait for listeners. */
export interface LifecycleEvents {
  emit(event: LifecycleEvent): void;
}

/** Reasons of failed logins: wrong password, unknown user, wrong second factor, or rate-limited by the application. */
export const FAILED_LOGIN_REASONS = ['BAD_CREDENTIALS', 'UNKNOWN_USER', 'SECOND_FACTOR', 'TOO_MANY_ATTEMPTS'] as const;

export type FailedLoginReason = (typeof FAILED_LOGIN_REASONS)[number];
