import type { EndReason } from './session.js';
import type { Refusal } from './verification.js';

/** Everything that can go wrong, as a code that programs can rely on. */
export type SessionErrorCode =
  | EndReason
  | 'TOKEN_MISSING'
  | 'TOKEN_MALFORMED'
  | 'TOKEN_INVALID'
  | 'BAD_CREDENTIALS'
  | 'FORBIDDEN'
  | 'SERVICE_BANNED'
  | 'FRESH_LOGIN_REQUIRED'
  | 'TOO_MANY_REFRESHES'
  | 'SESSION_LIMIT_REACHED'
  | 'SESSION_STORE_UNAVAILABLE'
  | 'SESSION_NOT_FOUND'
  | 'CHANGE_PENDING'
  | 'INSIDE_TRANSACTION'
  | 'ARGUMENT_INVALID'
  | 'CURSOR_INVALID'
  | 'CONFIGURATION_INVALID';

/** What people read. Say what is wrong and what to do; replaceable through the module option `messages`. */
export const defaultMessages: Readonly<Record<SessionErrorCode, string>> = {
  TOKEN_MISSING: 'This route needs an access token in the Authorization header.',
  TOKEN_MALFORMED: 'This is no token. In the Authorization header it must be of the form "Bearer <token>".',
  TOKEN_INVALID: 'The access token is not known. Log in again.',
  BAD_CREDENTIALS: 'The name or the password is wrong.',
  FORBIDDEN: 'The user may not do this.',
  TOKEN_EXPIRED: 'The access token has expired. Log in again.',
  SESSION_EXPIRED: 'The session has reached its end. Log in again.',
  SESSION_LOGGED_OUT: 'The session was logged out. Log in again.',
  SESSION_REPLACED: 'The session was ended by a login on another device.',
  SESSION_KICKED: 'The session was ended by an administrator.',
  SESSION_REVOKED: 'The session was ended because the credentials of the account changed. Log in again.',
  SESSION_IDLE: 'The session was not used for too long. Log in again.',
  ACCOUNT_DISABLED: 'The account is disabled.',
  REFRESH_REUSED: 'The refresh token had been used before, so the session was ended for safety. Log in again.',
  SERVICE_BANNED: 'The account may not use this service at the moment.',
  FRESH_LOGIN_REQUIRED: 'This needs a recent proof of who you are. Confirm your password.',
  TOO_MANY_REFRESHES: 'The tokens of this session are renewed too often. Try again shortly.',
  SESSION_LIMIT_REACHED: 'The account has reached its limit of sessions. Log out on another device first.',
  SESSION_STORE_UNAVAILABLE: 'Sessions cannot be checked at the moment. Try again shortly.',
  SESSION_NOT_FOUND: 'There is no such session.',
  CHANGE_PENDING: 'The end is recorded, and takes effect on every server within seconds.',
  INSIDE_TRANSACTION: 'Sessions cannot be changed here.',
  ARGUMENT_INVALID: 'A value is not valid.',
  CURSOR_INVALID: 'The cursor is cut, or of another list, order or filter. Begin again with the first page.',
  CONFIGURATION_INVALID: 'The configuration is not valid.',
};

/** In place of those above where the token is a refresh token. */
export const refreshMessages: Readonly<Partial<Record<SessionErrorCode, string>>> = {
  TOKEN_MALFORMED: 'This is no refresh token. Send what the login or the last refresh returned.',
  TOKEN_INVALID: 'The refresh token is not known. Log in again.',
  TOKEN_EXPIRED: 'The refresh token has expired. Log in again.',
};

/**
 * Every error that this library throws. `code` is stable and meant for programs, `message` for people; neither ever holds
 * a token or the hash of one.
 */
export class SessionError extends Error {
  override readonly name = 'SessionError';

  constructor(
    readonly code: SessionErrorCode,
    message: string = defaultMessages[code],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * An end is recorded in the database, but not every node has acknowledged that it refuses the token by now; all of them do
 * by `effectiveBy`. Repeating the call is harmless.
 */
export class ChangePendingError extends SessionError {
  /** @param effectiveBy milliseconds since the epoch by which no node accepts the ended sessions any more */
  constructor(readonly effectiveBy: number) {
    super('CHANGE_PENDING');
  }
}

/** The call gives nothing as long as another node may go by what was before: it is to be repeated. */
export class UnacknowledgedError extends SessionError {
  /** Milliseconds after which the call can succeed; null where nobody knows. */
  readonly retryAfterMs: number | null;

  /** @param now what the clock of the database shows */
  constructor(cause: unknown, now: number) {
    super('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    this.retryAfterMs = cause instanceof ChangePendingError ? Math.max(0, cause.effectiveBy - now) : null;
  }
}

/** A refresh token is refused; see Refusal for why. */
export class TokenRefusedError extends SessionError {
  constructor(readonly refusal: Refusal) {
    super(refusal.reason, refreshMessages[refusal.reason]);
  }
}

/** An argument of a call that the application made: its own mistake, unless it passed on what a client sent. */
export class ArgumentError extends SessionError {}

/** The argument `name` is refused, because it `problem`. */
export function invalidArgument(name: string, problem: string): SessionError {
  return new ArgumentError('ARGUMENT_INVALID', `${name} ${problem}.`);
}

/** The option `name` stops the boot, because it `problem`. */
export function invalidOption(name: string, problem: string): SessionError {
  return new SessionError('CONFIGURATION_INVALID', `SessionModule option "${name}" ${problem}.`);
}
