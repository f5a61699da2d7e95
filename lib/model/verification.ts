import { timingSafeEqual } from 'node:crypto';
import { accountBan } from './ban.js';
import type { CopiedRecord, EndReason, SessionEnd, UserSession } from './session.js';
import { type LifeRules, idleMsOf } from './session-life.js';
import { type CopiedPair, type ParsedToken, type Superseded, isInGrace } from './token-pair.js';

/** Reason for refusing a token. */
export type InvalidReason = EndReason | 'TOKEN_MALFORMED' | 'TOKEN_INVALID';

/** The session that replaced this one. */
export interface Replacement {
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Access token for the client, such as the successor of one near its expiry. */
export interface RenewedToken {
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  /** Seconds until `accessExpiresAt`, rounded. */
  readonly expiresIn: number;
}

/** Reason for refusing a token, with details of the end for the holder of the exact token. */
export interface Refusal {
  readonly reason: InvalidReason;
  /** Milliseconds since the epoch. */
  readonly endedAt?: number;
  readonly replacedBy?: Replacement;
}

/**
 * Result of verifying a token.
 *
 * - VALID: `renewed` is set if the client should switch to a successor, `cached` if no query was made.
 * - INVALID: `endedAt` and `replacedBy` are set if the session was ended and the token is exactly one of its tokens.
 * - UNKNOWN: the store could not answer in time. Neither accept the token nor tell the client that it is bad.
 */
export type Verification =
  | {
      readonly status: 'VALID';
      readonly session: UserSession;
      readonly renewed?: RenewedToken;
      readonly cached?: true;
    }
  | ({ readonly status: 'INVALID' } & Refusal)
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/** Verdict on one record. `pair` is the token's generation; `end` is set if the holder may learn how the session ended. */
export type Verdict =
  | { readonly status: 'VALID'; readonly pair: CopiedPair | Superseded<CopiedPair> }
  | { readonly status: 'INVALID'; readonly reason: InvalidReason; readonly end?: SessionEnd }
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/** Rules of a verdict beside the record. */
export interface VerdictRules extends LifeRules {
  /** Reports the end reason to the holder for this long after the end; TOKEN_INVALID afterwards. Milliseconds. */
  readonly endReasonTtlMs: number;
}

/** Finds the generation of a token in its record; null if it is no longer kept. */
export function pairOf<Pair extends CopiedPair>(
  token: ParsedToken,
  record: { readonly current: Pair; readonly superseded: readonly Superseded<Pair>[] },
): Pair | Superseded<Pair> | null {
  if (token.generation === record.current.generation) return record.current;
  return record.superseded.find((pair) => pair.generation === token.generation) ?? null;
}

/**
 * Judges an authentic access token against the record of its session.
 * @param now by the database's clock
 * @param lastSeenAt last known use; Infinity for a session that is not idle, whatever its record says
 */
export function judge(
  token: ParsedToken,
  record: CopiedRecord,
  now: number,
  rules: VerdictRules,
  lastSeenAt = record.lastSeenAt,
): Verdict {
  if (token.generation > record.current.generation) return newerThanRecord();
  const pair = pairOf(token, record);
  // Issued once, and its grace is long over.
  if (!pair) return { status: 'INVALID', reason: 'TOKEN_EXPIRED' };
  if (!equalHashes(token.hash, pair.accessHash)) return { status: 'INVALID', reason: 'TOKEN_INVALID' };
  if (record.end) return ended(record.end, now, rules);
  if (now >= record.expiresAt) return { status: 'INVALID', reason: 'SESSION_EXPIRED' };
  if (accountBan(record.bans, now)) return { status: 'INVALID', reason: 'ACCOUNT_DISABLED' };
  if (now >= pair.accessExpiresAt || !isInGrace(pair, now)) return { status: 'INVALID', reason: 'TOKEN_EXPIRED' };
  if (now >= lastSeenAt + idleMsOf(record, rules)) return { status: 'INVALID', reason: 'SESSION_IDLE' };
  return { status: 'VALID', pair };
}

/** Answers for a token with our MAC that is newer than its row, which is not the client's fault. */
export function newerThanRecord(): Verdict & { readonly status: 'UNKNOWN' } {
  const cause = new Error('The token is newer than its session in the database: was a backup restored?');
  return { status: 'UNKNOWN', cause };
}

/** Judges the exact token of an ended session. */
export function ended(end: SessionEnd, now: number, rules: VerdictRules): Verdict & { readonly status: 'INVALID' } {
  return now < end.at + rules.endReasonTtlMs
    ? { status: 'INVALID', reason: end.reason, end }
    : { status: 'INVALID', reason: 'TOKEN_INVALID' };
}

/** Compares two hashes in constant time; false for different lengths. */
export function equalHashes(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
