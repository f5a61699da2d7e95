import { type SessionErrorCode, defaultMessages, refreshMessages } from './messages.js';
import type { Refusal } from './verification.js';

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
 * An end is recorded in the database, but not every node has confirmed that it refuses the token by now; all of them do
 * by `effectiveBy`. Repeating the call is harmless.
 */
export class EndPendingError extends SessionError {
  /** @param effectiveBy milliseconds since the epoch by which no node accepts the ended sessions any more */
  constructor(readonly effectiveBy: number) {
    super('END_PENDING');
  }
}

/** The call gives nothing as long as another node may go by what was before: it is to be repeated. */
export class UnconfirmedError extends SessionError {
  /** Milliseconds after which the call can succeed; null where nobody knows. */
  readonly retryAfterMs: number | null;

  /** @param now what the clock of the database shows */
  constructor(cause: unknown, now: number) {
    super('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    this.retryAfterMs = cause instanceof EndPendingError ? Math.max(0, cause.effectiveBy - now) : null;
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
