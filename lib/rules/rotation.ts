import type { SessionDecision } from '../model/session-change.js';
import { type AccountState, accountBan } from '../model/ban.js';
import type { SessionPatch, SessionRecord } from '../model/session.js';
import { equalHashes } from '../model/equal-hashes.js';
import {
  MAX_SUPERSEDED,
  type ParsedToken,
  type SupersededPair,
  type TokenLives,
  type TokenPair,
  isInGrace,
  lastUse,
} from '../model/token-pair.js';
import { type Verdict, type VerdictRules, ended, judge, newerThanRecord, pairOf } from '../model/verification.js';

/** Everything that a step of a token chain depends on beside the record. */
export interface RotationRules extends VerdictRules {
  readonly mode: TokenLives;
  /** Grace of an idle session: uses that another node has not written yet. Milliseconds. */
  readonly idleSlackMs: number;
}

/** Lives and hashes of the generation after the current one, if it begins now. */
export type OpenSuccessor = (record: SessionRecord, now: number) => TokenPair;

/** Whether a use of this token changes the chain or has a successor to tell of: the rare case, told apart cheaply. */
export function needsUpkeep(
  record: SessionRecord,
  pair: TokenPair | SupersededPair,
  now: number,
  mode: TokenLives,
): boolean {
  if (pair !== record.current) return renewWithinMs(pair, mode) !== null;
  return hasUnsettledParent(record) || isRenewalDue(record, now, mode);
}

/**
 * Until when the use of a token that is good now comes to the same, as long as the record does not change: milliseconds
 * since the epoch. `lastUse` is that of the session, as far as it is known.
 */
export function goodUntil(
  record: SessionRecord,
  pair: TokenPair | SupersededPair,
  lastUse: number,
  { mode, idleMs }: RotationRules,
): number {
  const { graceUntil = null } = pair as Partial<SupersededPair>;
  return Math.min(
    record.expiresAt,
    pair.accessExpiresAt - (renewWithinMs(pair, mode) ?? 0),
    graceUntil ?? Infinity,
    idleMs === null ? Infinity : lastUse + idleMs,
  );
}

/** Whether the current tokens have not been used yet, as far as the record knows. */
function hasUnsettledParent(record: SessionRecord): boolean {
  return record.superseded.some((pair) => pair.graceUntil === null);
}

/**
 * Before its end by how much a use of the access token renews it; null for never. A pair from before a change of the mode may have
 * a refresh token, and is renewed with that alone: two ways to go on would make the later one look like theft.
 */
function renewWithinMs(pair: TokenPair, mode: TokenLives): number | null {
  return pair.refreshHash === null ? mode.renewWithinMs : null;
}

function isRenewalDue({ current, expiresAt }: SessionRecord, now: number, mode: TokenLives): boolean {
  const withinMs = renewWithinMs(current, mode);
  return (
    withinMs !== null &&
    current.accessExpiresAt - now < withinMs &&
    Math.min(now + mode.accessMs, expiresAt) > current.accessExpiresAt
  );
}

/**
 * What the use of an access token does to its chain: begins the grace of the parent, and renews a token near its end.
 * The result says whether the tokens were renewed.
 */
export function decideUse(
  token: ParsedToken,
  record: SessionRecord | null,
  now: number,
  rules: RotationRules,
  open: OpenSuccessor,
): SessionDecision<boolean> {
  // Whether it is idle was judged when the request came, by uses that the record does not have yet.
  const verdict = record && judge(token, record, now, { ...rules, idleMs: null });
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

/** What presenting a refresh token comes to. */
export type RefreshVerdict =
  | { readonly kind: 'granted'; readonly pair: TokenPair; readonly rotated: boolean }
  | { readonly kind: 'refused'; readonly verdict: Verdict & { readonly status: 'INVALID' } }
  | { readonly kind: 'unknown'; readonly cause: unknown }
  | { readonly kind: 'too-many' };

/**
 * Why a refresh token is refused by the record alone, for good: whatever becomes of the session, and whatever its account says.
 * Null if that is not known before the row is locked.
 */
export function refusalOf(
  token: ParsedToken,
  record: SessionRecord | null,
  now: number,
  rules: RotationRules,
): RefreshVerdict | null {
  if (!record) return refused({ status: 'INVALID', reason: 'TOKEN_INVALID' });
  if (token.generation > record.current.generation) return { kind: 'unknown', cause: newerThanRecord().cause };
  const pair = pairOf(token, record);
  if (pair && (pair.refreshHash === null || !equalHashes(token.hash, pair.refreshHash))) {
    return refused({ status: 'INVALID', reason: 'TOKEN_INVALID' });
  }
  if (record.end) {
    // One that is not remembered is authentic all the same; of the session's end its holder hears what it caused itself.
    if (pair) return refused(ended(record.end, now, rules));
    const reason = record.end.reason === 'REFRESH_REUSED' ? 'REFRESH_REUSED' : 'TOKEN_EXPIRED';
    return refused({ status: 'INVALID', reason });
  }
  if (now >= record.expiresAt) return refused({ status: 'INVALID', reason: 'SESSION_EXPIRED' });
  if (pair && now >= pair.refreshExpiresAt!) return refused({ status: 'INVALID', reason: 'TOKEN_EXPIRED' });
  return null;
}

/**
 * The rule of rotation (RFC 9700 4.14.2, with one successor for each token): the current refresh token gets the next
 * pair, one in grace gets the pair that it got before, and one that comes back later is in two hands, which ends the
 * session.
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
  if (rules.idleMs !== null && now >= record.lastSeenAt + rules.idleMs + rules.idleSlackMs) {
    return ending('SESSION_IDLE', record.lastSeenAt + rules.idleMs);
  }
  if (accountBan(account.bans, now)) return { result: refused({ status: 'INVALID', reason: 'ACCOUNT_DISABLED' }) };
  if (record.authenticatedAt < account.notBefore) return ending('SESSION_REVOKED', now);
  if (!pair || !isInGrace(pair, now)) {
    // Its successor has no refresh token, after a change of the mode: a client that keeps the old one is no thief.
    if (record.current.refreshHash === null) return { result: refused({ status: 'INVALID', reason: 'TOKEN_EXPIRED' }) };
    const { renewedFrom } = record;
    const events = [{ type: 'REFRESH_REUSED' as const, ip, detail: { renewedFrom, generation: token.generation } }];
    return { ...ending('REFRESH_REUSED', now), events };
  }
  if (pair !== record.current) {
    const successor = [...record.superseded, record.current].find((one) => one.generation === pair.generation + 1);
    // Grace was shortened since this one's began: what it was followed by is over before it, and is in no one's hands.
    if (!successor || !isInGrace(successor, now)) {
      return { result: refused({ status: 'INVALID', reason: 'TOKEN_EXPIRED' }) };
    }
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

function refused(verdict: Verdict & { readonly status: 'INVALID' }): RefreshVerdict {
  return { kind: 'refused', verdict };
}

function ending(
  reason: 'SESSION_IDLE' | 'SESSION_REVOKED' | 'REFRESH_REUSED',
  at: number,
): SessionDecision<RefreshVerdict> {
  const end = { reason, by: 'system', at };
  const verdict = { status: 'INVALID', reason, end: { reason, at, by: 'system', replacedBy: null } } as const;
  return { result: { kind: 'refused', verdict }, end };
}

/** The superseded generations once the current one has been used: its parent's grace has begun, and what is over is gone. */
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

/** From when on no token of the session can be accepted. A refresh token may outlive those of a mode that has none. */
function lastUseOf(current: TokenPair, superseded: readonly SupersededPair[]): number {
  const ends = superseded.map((pair) => Math.min(lastUse(pair), pair.graceUntil ?? Infinity));
  return Math.max(lastUse(current), ...ends);
}
