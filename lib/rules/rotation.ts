import type { SessionDecision } from '../model/session-change.js';
import { type AccountState, accountBan } from '../model/ban.js';
import { idleMsOf } from '../model/session-life.js';
import type { CopiedRecord, EndReason, SessionEnd, SessionPatch, SessionRecord } from '../model/session.js';
import {
  type CopiedPair,
  type ParsedToken,
  type Superseded,
  type SupersededPair,
  type TokenLives,
  type TokenPair,
  MAX_SUPERSEDED,
  isInGrace,
  lastUse,
} from '../model/token-pair.js';
import {
  type InvalidReason,
  type Verdict,
  type VerdictRules,
  equalHashes,
  ended,
  judge,
  newerThanRecord,
  pairOf,
} from '../model/verification.js';

/** Rules of rotation beside the record. */
export interface RotationRules extends VerdictRules {
  readonly mode: TokenLives;
  /** Tolerance for uses that another node has not written yet. Milliseconds. */
  readonly idleSlackMs: number;
}

/** Computes expiry and hashes of the generation after the current one, beginning now. */
export type OpenSuccessor = (record: SessionRecord, now: number) => TokenPair;

/**
 * Cheap test for the rare use that changes the token chain or has a successor to return.
 * @param renew false for a use whose answer cannot carry a successor: it leaves a renewal that is due to others
 */
export function needsUpkeep(
  record: CopiedRecord,
  pair: CopiedPair,
  now: number,
  mode: TokenLives,
  renew: boolean,
): boolean {
  if (pair !== record.current) return renew && renewWithinMs(pair, mode) !== null;
  const isDue = isRenewalDue(record, now, mode);
  return renew ? isDue || hasUnsettledParent(record) : !isDue && hasUnsettledParent(record);
}

/** Time until which a valid token gives the same result while the record does not change. @param lastUse latest known */
export function goodUntil(
  record: CopiedRecord,
  pair: CopiedPair | Superseded<CopiedPair>,
  lastUse: number,
  rules: RotationRules,
): number {
  const { graceUntil = null } = pair as Partial<Superseded<CopiedPair>>;
  return Math.min(
    record.expiresAt,
    pair.accessExpiresAt - (renewWithinMs(pair, rules.mode) ?? 0),
    graceUntil ?? Infinity,
    lastUse + idleMsOf(record, rules),
  );
}

/** Tells if the current tokens have not been used yet, as far as the record shows. */
function hasUnsettledParent(record: CopiedRecord): boolean {
  return record.superseded.some((pair) => pair.graceUntil === null);
}

/** Null for none. A refresh token, kept from an earlier mode, must be the only way to continue: two look like theft. */
function renewWithinMs(pair: CopiedPair, mode: TokenLives): number | null {
  return pair.refreshExpiresAt === null ? mode.renewWithinMs : null;
}

function isRenewalDue({ current, expiresAt }: CopiedRecord, now: number, mode: TokenLives): boolean {
  const withinMs = renewWithinMs(current, mode);
  return (
    withinMs !== null &&
    current.accessExpiresAt - now < withinMs &&
    Math.min(now + mode.accessMs, expiresAt) > current.accessExpiresAt
  );
}

/** Starts the grace of the parent, and renews an access token near its expiry. The result is true if it did. */
export function decideUse(
  token: ParsedToken,
  record: SessionRecord | null,
  now: number,
  rules: RotationRules,
  open: OpenSuccessor,
): SessionDecision<boolean> {
  // Idleness was judged on arrival, with uses that the record does not have yet.
  const verdict = record && judge(token, record, now, rules, Infinity);
  if (!record || verdict?.status !== 'VALID' || verdict.pair !== record.current) return { result: false };
  const superseded = afterUse(record, now, rules.mode);
  if (isRenewalDue(record, now, rules.mode) && superseded.length < MAX_SUPERSEDED) {
    return {
      result: true,
      patch: rotate(record, superseded, open(record, now), null, now, rules.mode),
      events: [{ type: 'TOKEN_RENEWED', ip: null, detail: { generation: record.current.generation + 1 } }],
    };
  }
  const usableUntil = lastUseOf(record.current, superseded);
  return { result: false, ...(hasUnsettledParent(record) && { patch: { superseded, usableUntil } }) };
}

export type RefreshVerdict =
  | { readonly kind: 'granted'; readonly pair: TokenPair; readonly rotated: boolean }
  | { readonly kind: 'refused'; readonly verdict: Verdict & { readonly status: 'INVALID' } }
  | { readonly kind: 'unknown'; readonly cause: unknown }
  | { readonly kind: 'too-many' };

/** Returns the refusal that the record alone proves for good; null if only the locked row can tell. */
export function refusalOf(
  token: ParsedToken,
  record: SessionRecord | null,
  now: number,
  rules: RotationRules,
): RefreshVerdict | null {
  if (!record) return refused('TOKEN_INVALID');
  if (token.generation > record.current.generation) return { kind: 'unknown', cause: newerThanRecord().cause };
  const pair = pairOf(token, record);
  if (pair && (pair.refreshHash === null || !equalHashes(token.hash, pair.refreshHash))) {
    return refused('TOKEN_INVALID');
  }
  if (record.end) {
    // A generation that is no longer kept is authentic all the same, so its holder hears of the reuse that it caused.
    if (pair) return { kind: 'refused', verdict: ended(record.end, now, rules) };
    return refused(record.end.reason === 'REFRESH_REUSED' ? 'REFRESH_REUSED' : 'TOKEN_EXPIRED');
  }
  if (now >= record.expiresAt) return refused('SESSION_EXPIRED');
  if (pair && now >= pair.refreshExpiresAt!) return refused('TOKEN_EXPIRED');
  return null;
}

/**
 * Rotates refresh tokens (RFC 9700 section 4.14.2, with one successor per token): the current token gets the next pair,
 * a token in grace gets the same pair again, and a later reuse ends the session, because two parties hold the token.
 */
export function decideRefresh(
  token: ParsedToken,
  ip: string | null,
  record: SessionRecord | null,
  account: AccountState,
  now: number,
  rules: RotationRules,
  open: OpenSuccessor,
): SessionDecision<RefreshVerdict> {
  const refusal = refusalOf(token, record, now, rules);
  if (!record || refusal) return { result: refusal! };
  const pair = pairOf(token, record);
  const idleFrom = record.lastSeenAt + idleMsOf(record, rules);
  if (now >= idleFrom + rules.idleSlackMs) return ending('SESSION_IDLE', idleFrom);
  if (accountBan(account.bans, now)) return { result: refused('ACCOUNT_DISABLED') };
  if (record.authenticatedAt < account.notBefore) return ending('SESSION_REVOKED', now);
  if (!pair || !isInGrace(pair, now)) {
    // The successor has no refresh token after a change of mode: a client that still uses the old one is not a thief.
    if (record.current.refreshHash === null) return { result: refused('TOKEN_EXPIRED') };
    const { renewedFrom } = record;
    const events = [{ type: 'REFRESH_REUSED' as const, ip, detail: { renewedFrom, generation: token.generation } }];
    return { ...ending('REFRESH_REUSED', now), events };
  }
  if (pair !== record.current) {
    const successor = [...record.superseded, record.current].find((one) => one.generation === pair.generation + 1);
    // The grace period was shortened since this one began: the successor is expired already, and in no one's hands.
    if (!successor || !isInGrace(successor, now)) return { result: refused('TOKEN_EXPIRED') };
    return { result: { kind: 'granted', pair: successor, rotated: false } };
  }
  const superseded = afterUse(record, now, rules.mode);
  if (superseded.length >= MAX_SUPERSEDED) return { result: { kind: 'too-many' } };
  const successor = open(record, now);
  return {
    result: { kind: 'granted', pair: successor, rotated: true },
    patch: rotate(record, superseded, successor, ip, now, rules.mode),
    events: [{ type: 'TOKEN_RENEWED', ip, detail: { generation: successor.generation } }],
  };
}

function refused(reason: InvalidReason, end?: SessionEnd): RefreshVerdict {
  return { kind: 'refused', verdict: { status: 'INVALID', reason, ...(end && { end }) } };
}

function ending(reason: EndReason, at: number): SessionDecision<RefreshVerdict> {
  const end = { reason, by: 'system', at };
  return { result: refused(reason, { ...end, replacedBy: null }), end };
}

/** Superseded generations after the current one was used: starts the parent's grace and drops expired ones. */
function afterUse(record: SessionRecord, now: number, mode: TokenLives): readonly SupersededPair[] {
  return record.superseded
    .map((pair) => (pair.graceUntil === null ? { ...pair, graceUntil: now + mode.graceMs } : pair))
    .filter((pair) => isInGrace(pair, now) && now < lastUse(pair));
}

function rotate(
  record: SessionRecord,
  superseded: readonly SupersededPair[],
  successor: TokenPair,
  ip: string | null,
  now: number,
  mode: TokenLives,
): SessionPatch {
  const graceUntil = mode.graceFrom === 'issue' ? now + mode.graceMs : null;
  const older = [...superseded, { ...record.current, graceUntil }];
  return { current: successor, superseded: older, renewedFrom: ip, usableUntil: lastUseOf(successor, older) };
}

/** Time from which every token is expired. Refresh tokens of an earlier mode may outlive the current ones. */
function lastUseOf(current: TokenPair, superseded: readonly SupersededPair[]): number {
  const ends = superseded.map((pair) => Math.min(lastUse(pair), pair.graceUntil ?? Infinity));
  return Math.max(lastUse(current), ...ends);
}
