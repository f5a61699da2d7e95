import type { EndReason } from './session.js';
import type { Refusal } from './verification.js';

/** Default texts of error responses. Replace them with the module option `messages`. */
export const defaultMessages = {
  TOKEN_MISSING: 'Missing access token: expected "Authorization: Bearer <token>".',
  TOKEN_MALFORMED: 'Malformed access token: expected "Authorization: Bearer <token>".',
  TOKEN_INVALID: 'Unknown access token. Log in again.',
  BAD_CREDENTIALS: 'Wrong user name or password.',
  FORBIDDEN: 'You are not allowed to do this.',
  CROSS_SITE_REQUEST: 'Refused: the request was made by another site.',
  TOKEN_EXPIRED: 'The access token has expired. Log in again.',
  SESSION_EXPIRED: 'The session has expired. Log in again.',
  SESSION_LOGGED_OUT: 'The session was logged out. Log in again.',
  SESSION_REPLACED: 'The session was ended by a login on another device.',
  SESSION_KICKED: 'The session was ended by an administrator.',
  SESSION_REVOKED: "The session was ended because the account's credentials changed. Log in again.",
  SESSION_IDLE: 'The session was idle for too long. Log in again.',
  ACCOUNT_DISABLED: 'The account is disabled.',
  REFRESH_REUSED: 'A refresh token was used twice, so the session was ended as a precaution. Log in again.',
  SERVICE_BANNED: 'The account is banned from this service.',
  FRESH_LOGIN_REQUIRED: 'Reauthentication required. Enter your password again.',
  TOO_MANY_REFRESHES: 'The tokens of this session are refreshed too often. Try again shortly.',
  SESSION_LIMIT_REACHED: 'The account has reached its session limit. Log out on another device first.',
  TOO_MANY_SESSIONS: 'The user has more than 1,000 live sessions, too many to change. End them instead: endInstead.',
  LOGIN_CHOICE_INVALID: 'The choice was made too late, or the account has been logged in to since. Log in again.',
  SESSION_STORE_UNAVAILABLE: 'Sessions cannot be verified at the moment. Try again shortly.',
  SESSION_NOT_FOUND: 'Session not found.',
  CHANGE_PENDING: 'The change is saved and takes effect on every node within seconds.',
  INSIDE_TRANSACTION: 'Sessions cannot be changed inside a transaction.',
  ARGUMENT_INVALID: 'Invalid argument.',
  CURSOR_INVALID: 'Invalid cursor: truncated, or from another list, order or filter. Start again at the first page.',
  CONFIGURATION_INVALID: 'Invalid configuration.',
} satisfies Readonly<Record<EndReason, string> & Record<string, string>>;

/** Stable codes of all errors, for programs. */
export type SessionErrorCode = keyof typeof defaultMessages;

/** Overrides for tokens in cookies. */
export const cookieMessages: Readonly<Partial<Record<SessionErrorCode, string>>> = {
  TOKEN_MISSING: 'Not logged in: the request has no session cookie.',
  TOKEN_MALFORMED: 'Malformed session cookie. Log in again.',
  TOKEN_INVALID: 'Unknown session cookie. Log in again.',
  TOKEN_EXPIRED: 'The session cookie has expired. Log in again.',
};

/** Overrides for refresh tokens. */
export const refreshMessages: Readonly<Partial<Record<SessionErrorCode, string>>> = {
  TOKEN_MALFORMED: 'Malformed refresh token: send the one that the login or the last refresh returned.',
  TOKEN_INVALID: 'Unknown refresh token. Log in again.',
  TOKEN_EXPIRED: 'The refresh token has expired. Log in again.',
};

/**
 * Base class of all errors of this library. `code` is stable and meant for programs, `message` for people. Neither
 * contains a token or its hash.
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
 * Thrown when a change is committed but not yet acknowledged by every node. All nodes apply it by `effectiveBy`.
 * Repeating the call is harmless.
 */
export class ChangePendingError extends SessionError {
  /** @param effectiveBy time by which no node accepts the ended sessions any more, in milliseconds since the epoch */
  constructor(readonly effectiveBy: number) {
    super('CHANGE_PENDING');
  }
}

/** Thrown when a call must be repeated, because another node may still act on the state before the change. */
export class UnacknowledgedError extends SessionError {
  /** Milliseconds after which a retry can succeed; null if unknown. */
  readonly retryAfterMs: number | null;

  /** @param now database time, in milliseconds since the epoch */
  constructor(cause: unknown, now: number) {
    super('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    this.retryAfterMs = cause instanceof ChangePendingError ? Math.max(0, cause.effectiveBy - now) : null;
  }
}

/** Thrown for a refused refresh token. `refusal` holds the reason and, for the holder of the exact token, the end. */
export class TokenRefusedError extends SessionError {
  constructor(readonly refusal: Refusal) {
    super(refusal.reason, refreshMessages[refusal.reason]);
  }
}

/** Thrown for an invalid argument: a bug in the application, unless it passed on a client's input. */
export class ArgumentError extends SessionError {}

/** @param problem predicate, such as `must be a string` */
export function invalidArgument(name: string, problem: string): SessionError {
  return new ArgumentError('ARGUMENT_INVALID', `${name} ${problem}.`);
}

/** Reports that the library cannot be used in this way. @param problem sentence without its full stop */
export function misused(problem: string): SessionError {
  return new SessionError('CONFIGURATION_INVALID', `${problem}.`);
}

/** @param problem predicate, such as `must be a string` */
export function invalidOption(name: string, problem: string): SessionError {
  return new SessionError('CONFIGURATION_INVALID', `SessionModule option "${name}" ${problem}.`);
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
