import type { Ban } from './ban.js';
import type { EndReason } from './session.js';

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
 * - `account.banned`, `account.ban-lifted`
 * - `account.login-failed`: the application reported a failed login; `userId` is the client's claim, or null
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
  | { readonly type: 'account.banned' | 'account.ban-lifted'; readonly userId: string; readonly ban: Ban }
  | {
      readonly type: 'account.login-failed';
      readonly userId: string | null;
      readonly ip: string | null;
      readonly deviceType: string | null;
      readonly reason: FailedLoginReason;
    };

/** Receives events. `emit` never throws and does not wait for listeners. */
export interface LifecycleEvents {
  emit(event: LifecycleEvent): void;
}

/** Reasons of failed logins: wrong password, unknown user, wrong second factor, or rate-limited by the application. */
export const FAILED_LOGIN_REASONS = ['BAD_CREDENTIALS', 'UNKNOWN_USER', 'SECOND_FACTOR', 'TOO_MANY_ATTEMPTS'] as const;

export type FailedLoginReason = (typeof FAILED_LOGIN_REASONS)[number];
