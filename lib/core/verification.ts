import type { EndReason } from './end-reason.js';
import type { Session, SessionEnd, SessionRecord } from './session.js';
import { type ParsedToken, equalHashes } from './token-codec.js';

/** Why a token is refused. */
export type InvalidReason = EndReason | 'TOKEN_MALFORMED' | 'TOKEN_INVALID';

/** The session that took the place of a replaced one. */
export interface Replacement {
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * What verifying a token comes to.
 *
 * - VALID: known good.
 * - INVALID: known bad, and why. `endedAt` and `replacedBy` are there for a session that was ended, and are told only to
 *   the holder of its exact token.
 * - UNKNOWN: could not be found out now. Neither accept it nor tell the client that its token is bad.
 */
export type Verification =
  | { readonly status: 'VALID'; readonly session: Session }
  | {
      readonly status: 'INVALID';
      readonly reason: InvalidReason;
      /** Milliseconds since the epoch. */
      readonly endedAt?: number;
      readonly replacedBy?: Replacement;
    }
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/** A verdict on one record; `end` is set where the session was ended and its holder may hear how. */
export type Verdict =
  | { readonly status: 'VALID' }
  | { readonly status: 'INVALID'; readonly reason: InvalidReason; readonly end?: SessionEnd }
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/**
 * Judges a token by the record of its session. Pure.
 * @param now milliseconds since the epoch, by the database's clock
 * @param endReasonTtlMs for how long after its end a session's holder is told the reason; TOKEN_INVALID afterwards
 */
export function judge(token: ParsedToken, record: SessionRecord, now: number, endReasonTtlMs: number): Verdict {
  if (token.generation > record.generation) {
    // Our own MAC on a token that is newer than its row: the database was rolled back. That is not the client's fault.
    return { status: 'UNKNOWN', cause: new Error('The token is newer than the record of its session.') };
  }
  if (!equalHashes(token.hash, record.accessHash)) return { status: 'INVALID', reason: 'TOKEN_INVALID' };
  if (record.end) {
    return now < record.end.at + endReasonTtlMs
      ? { status: 'INVALID', reason: record.end.reason, end: record.end }
      : { status: 'INVALID', reason: 'TOKEN_INVALID' };
  }
  if (now >= record.expiresAt) return { status: 'INVALID', reason: 'SESSION_EXPIRED' };
  if (now >= record.accessExpiresAt) return { status: 'INVALID', reason: 'TOKEN_EXPIRED' };
  return { status: 'VALID' };
}
