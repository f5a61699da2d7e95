import { accountBan } from './ban.js';
import type { EndReason, UserSession, SessionEnd, SessionRecord } from './session.js';
import { type ParsedToken, type SupersededPair, type TokenPair, isInGrace } from './token-pair.js';
import { equalHashes } from './equal-hashes.js';

/** Why a token is refused. */
export type InvalidReason = EndReason | 'TOKEN_MALFORMED' | 'TOKEN_INVALID';

/** The session that took the place of a replaced one. */
export interface Replacement {
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The successor of an access token that is near its end. */
export interface RenewedToken {
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  /** Seconds from now to that end, rounded. */
  readonly expiresIn: number;
}

/** Why a token is refused, and how its session ended where its holder may hear that. */
export interface Refusal {
  readonly reason: InvalidReason;
  /** Milliseconds since the epoch. */
  readonly endedAt?: number;
  readonly replacedBy?: Replacement;
}

/**
 * What verifying a token comes to.
 *
 * - VALID: known good. `renewed` is there when the token has a successor that the client should use from now on, and
 *   `remembered` when the database was not asked.
 * - INVALID: known bad, and why. `endedAt` and `replacedBy` are there for a session that was ended, and are told only to
 *   the holder of its exact token.
 * - UNKNOWN: could not be found out now. Neither accept it nor tell the client that its token is bad.
 */
export type Verification =
  | {
      readonly status: 'VALID';
      readonly session: UserSession;
      readonly renewed?: RenewedToken;
      readonly remembered?: true;
    }
  | ({ readonly status: 'INVALID' } & Refusal)
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/**
 * A verdict on one record. `pair` is the generation that the token belongs to; `end` is set where the session was ended
 * and its holder may hear how.
 */
export type Verdict =
  | { readonly status: 'VALID'; readonly pair: TokenPair | SupersededPair }
  | { readonly status: 'INVALID'; readonly reason: InvalidReason; readonly end?: SessionEnd }
  | { readonly status: 'UNKNOWN'; readonly cause: unknown };

/** What verdicts depend on beside the record. Milliseconds. */
export interface VerdictRules {
  /** For how long after its end a session's holder is told the reason; TOKEN_INVALID afterwards. */
  readonly endReasonTtlMs: number;
  /** A session that was not used for this long is idle; null for never. */
  readonly idleMs: number | null;
}

/** The generation of a record that a token belongs to; null for one that is not remembered any more. */
export function pairOf(token: ParsedToken, record: SessionRecord): TokenPair | SupersededPair | null {
  if (token.generation === record.current.generation) return record.current;
  return record.superseded.find((pair) => pair.generation === token.generation) ?? null;
}

/**
 * Judges an authentic access token by the record of its session. Pure.
 * @param now milliseconds since the epoch, by the database's clock
 * @param lastSeenAt last use of the session that is known of
 */
export function judge(
  token: ParsedToken,
  record: SessionRecord,
  now: number,
  rules: VerdictRules,
  lastSeenAt = record.lastSeenAt,
): Verdict {
  if (token.generation > record.current.generation) return newerThanRecord();
  const pair = pairOf(token, record);
  // It was given out once, and its grace is long over.
  if (!pair) return { status: 'INVALID', reason: 'TOKEN_EXPIRED' };
  if (!equalHashes(token.hash, pair.accessHash)) return { status: 'INVALID', reason: 'TOKEN_INVALID' };
  if (record.end) return ended(record.end, now, rules);
  if (now >= record.expiresAt) return { status: 'INVALID', reason: 'SESSION_EXPIRED' };
  if (accountBan(record.bans, now)) return { status: 'INVALID', reason: 'ACCOUNT_DISABLED' };
  if (now >= pair.accessExpiresAt || !isInGrace(pair, now)) return { status: 'INVALID', reason: 'TOKEN_EXPIRED' };
  if (rules.idleMs !== null && now >= lastSeenAt + rules.idleMs) return { status: 'INVALID', reason: 'SESSION_IDLE' };
  return { status: 'VALID', pair };
}

/** Our own MAC on a token that is newer than its row: the database was rolled back. That is not the client's fault. */
export function newerThanRecord(): Verdict & { readonly status: 'UNKNOWN' } {
  return { status: 'UNKNOWN', cause: new Error('The token is newer than the record of its session.') };
}

/** What the holder of an exact token of an ended session is told. */
export function ended(end: SessionEnd, now: number, rules: VerdictRules): Verdict & { readonly status: 'INVALID' } {
  return now < end.at + rules.endReasonTtlMs
    ? { status: 'INVALID', reason: end.reason, end }
    : { status: 'INVALID', reason: 'TOKEN_INVALID' };
}
