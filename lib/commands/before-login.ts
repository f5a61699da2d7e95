import type { CheckedLogin } from './login-input.js';

/** A login that is about to be recorded, as the application's beforeLogin hook sees it. */
export interface LoginAttempt extends CheckedLogin {
  readonly userId: string;
  /** The operator who opens the session as this user, or null. */
  readonly impersonator: string | null;
}

/**
 * Asked before a login is recorded. It refuses by throwing, which the caller of login gets to see, or by returning false,
 * which is FORBIDDEN.
 */
export type BeforeLogin = (login: LoginAttempt) => void | boolean | Promise<void | boolean>;
