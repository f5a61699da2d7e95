import type { Ban } from './ban.js';
import type { EndReason } from './session.js';

/**
 * What happened to sessions, told after it was recorded, on the node that did it. None holds a token.
 *
 * - `session.login`: a session opened; `impersonator` is set where an operator opened it
 * - `session.renewed`: an access token near its end got its successor (sliding)
 * - `session.refreshed`: a refresh token got the next pair
 * - `session.refresh-reused`: a refresh token came back after its grace; the session has ended, `session.ended` follows
 * - `session.ended`: a session ended, for whatever reason: logout, replacement, kick, revocation, ban, idleness, expiry
 * - `session.reauthenticated`: the user proved again who they are
 * - `account.banned`, `account.ban-lifted`
 * - `account.login-failed`: the application told of a login that failed; `userId` is what the client said, or null
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
      /** Where the used token came from. */
      readonly ip: string | null;
      /** Where its successor had been taken to. */
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

/** Where events are told. `emit` never throws and waits for nobody. */
export interface LifecycleEvents {
  emit(event: LifecycleEvent): void;
}

/**
 * Why a login failed: the password was wrong, there is no such user, a second factor was wrong, or the application takes no
 * more attempts for now.
 */
export const FAILED_LOGIN_REASONS = ['BAD_CREDENTIALS', 'UNKNOWN_USER', 'SECOND_FACTOR', 'TOO_MANY_ATTEMPTS'] as const;

export type FailedLoginReason = (typeof FAILED_LOGIN_REASONS)[number];
