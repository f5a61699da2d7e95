import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import type { IdleTimeout } from './idle-timeout.js';
import { type RotationRules, goodUntil, needsUpkeep } from '../rules/rotation.js';
import type { SessionLookup } from './session-lookup.js';
import { type Session, type SessionRecord, toSession } from '../model/session.js';
import { type ParsedToken, type SupersededPair, type TokenPair, equalHashes } from '../model/token-pair.js';
import type { TokenReader } from '../tokens/token-reader.js';
import type { TokenRenewal } from './token-renewal.js';
import { endOfHolder, isTombstone } from '../model/tombstone.js';
import type { SharedRecord, VerificationCache } from '../ports/verification-cache.js';
import type { VerificationSource, VerificationStats } from './verification-stats.js';
import { type Verdict, type Verification, ended, judge, pairOf } from '../model/verification.js';
import type { VerifiedTokens } from './verified-tokens.js';

const NOT_KNOWN = { status: 'INVALID', reason: 'TOKEN_INVALID' } as const;

export interface VerifierParts {
  readonly reader: TokenReader;
  readonly lookup: SessionLookup;
  readonly cache: VerificationCache;
  readonly renewal: TokenRenewal;
  readonly idle: IdleTimeout;
  readonly activity: ActivityRecorder;
  readonly clock: Clock;
  readonly rules: RotationRules;
  readonly verified: VerifiedTokens;
  readonly stats: VerificationStats;
  /** Longest time until a token is answered. Milliseconds. */
  readonly budgetMs: number;
}

/** A token that is good, with what it was judged by. */
export interface GoodToken {
  readonly status: 'VALID';
  readonly token: ParsedToken;
  readonly record: SessionRecord;
  readonly pair: TokenPair | SupersededPair;
  /** Whether it was judged by a copy, and the database not asked. */
  readonly isRemembered: boolean;
}

/** What looking at a token comes to, before anything is done about it. */
export type Inspection = GoodToken | Exclude<Verification, { readonly status: 'VALID' }>;

/**
 * Answers whether a token is good: from memory where it may, without any I/O where the token cannot be ours, from what the
 * nodes remember in common where that may be trusted, from the database otherwise.
 */
export class Verifier {
  /** The application's view of each record, made once and shared by the requests that the record answers. */
  private readonly views = new WeakMap<SessionRecord, Session>();

  constructor(private readonly parts: VerifierParts) {}

  /**
   * The session of a token that this process knows to be good, in the same turn; null for a token that has to be looked at.
   * Has no effect on the session.
   */
  fromMemory(text: unknown): Session | null {
    return this.parts.verified.get(text)?.answer.session ?? null;
  }

  /**
   * Never rejects.
   * @param strict whether the database is to be asked in any case
   * @param known what is known of the token, where the caller has found it out
   */
  async verify(
    text: unknown,
    strict = false,
    known = strict ? null : this.parts.verified.find(text),
  ): Promise<Verification> {
    const { cache, clock, rules, renewal, stats, verified, budgetMs } = this.parts;
    if (known && verified.countsInMemory(known)) return known.answer;
    const startedAt = clock.monotonic();
    const found = known ? await cache.fetch(known.record.id) : undefined;
    if (known && verified.countsInCommon(known, found)) {
      return stats.count('shared', known.answer, clock.monotonic() - startedAt);
    }
    const deadline = startedAt + budgetMs;
    const result = await this.inspect(text, strict, deadline, found);
    if (result.status !== 'VALID') return result;
    const { token, record, pair, isRemembered } = result;
    const session = this.view(record);
    if (!needsUpkeep(record, pair, clock.now(), rules.mode)) {
      this.remember(text as string, result, session);
      return { status: 'VALID', session, ...(isRemembered && { remembered: true }) };
    }
    const renewing = renewal.afterUse(token, text as string, record);
    const renewed = await withDeadline(renewing, deadline - clock.monotonic()).catch(() => null);
    return renewed ? { status: 'VALID', session, renewed } : { status: 'VALID', session };
  }

  /**
   * The same without any effect on the session. Never rejects.
   * @param deadline by when it must have come to something. Monotonic milliseconds
   * @param found what the nodes remember of the session, where they have just been asked
   */
  async inspect(
    text: unknown,
    strict = false,
    deadline = this.parts.clock.monotonic() + this.parts.budgetMs,
    found?: SharedRecord,
  ): Promise<Inspection> {
    const { clock, reader, stats } = this.parts;
    const startedAt = clock.monotonic();
    const token = reader.readAccess(text);
    if (typeof token === 'string') return stats.count('none', { status: 'INVALID', reason: token });
    let source: VerificationSource = 'none';
    try {
      // Where the hash covers the text, what is known by it need not be found authentic first, unless its key was taken away.
      let known = strict || !reader.hashCoversText ? null : this.fromCache(token);
      if (known?.status === 'VALID' && !reader.hasKey(known.pair.keyId)) known = null;
      if (!known) {
        const isAuthentic = reader.isAuthentic(text as string, token);
        if (!(typeof isAuthentic === 'boolean' ? isAuthentic : await isAuthentic))
          return stats.count('none', NOT_KNOWN);
        if (!strict && !reader.hashCoversText) known = this.fromCache(token);
      }
      if (known) return stats.count('memory', known);
      const shared = strict ? null : await this.fromShared(token, deadline, found);
      if (shared) return stats.count('shared', shared, clock.monotonic() - startedAt);
      source = 'database';
      return stats.count(source, await this.fromDatabase(token, deadline), clock.monotonic() - startedAt);
    } catch (cause) {
      return stats.count(source, { status: 'UNKNOWN', cause }, clock.monotonic() - startedAt);
    }
  }

  /**
   * The record that a token of either kind belongs to, whatever the state of both, or null if it is not the token of a
   * session.
   * @throws SessionError SESSION_STORE_UNAVAILABLE
   */
  async findHolder(text: unknown): Promise<SessionRecord | null> {
    const read = await this.parts.reader.readAny(text);
    if (!read) return null;
    const { kind, token } = read;
    const record = await this.parts.lookup.find(token.sessionId);
    const pair = record && pairOf(token, record);
    const hash = kind === 'access' ? pair?.accessHash : pair?.refreshHash;
    return hash && equalHashes(hash, token.hash) ? record : null;
  }

  /** A copy in memory. */
  private fromCache(token: ParsedToken): Inspection | null {
    const remembered = this.parts.cache.get(token.sessionId);
    return remembered && this.byCopy(token, remembered.record);
  }

  private async fromShared(
    token: ParsedToken,
    deadline: number,
    known: SharedRecord | undefined,
  ): Promise<Inspection | null> {
    const found = known === undefined ? await this.parts.cache.fetch(token.sessionId) : known;
    if (!found) return null;
    if (!isTombstone(found)) return this.byCopy(token, found);
    const end = endOfHolder(token, found);
    return end && this.refuse(ended(end, this.parts.clock.now(), this.parts.rules), deadline);
  }

  /**
   * A copy may say that a token is good, and that its session is past the end that never moves. Whatever else it would say,
   * the database is asked: it may be behind.
   */
  private byCopy(token: ParsedToken, record: SessionRecord): Inspection | null {
    const verdict = this.judge(token, record);
    if (verdict.status === 'VALID') return goodToken(token, record, verdict.pair, true);
    return verdict.status === 'INVALID' && verdict.reason === 'SESSION_EXPIRED' ? verdict : null;
  }

  private async fromDatabase(token: ParsedToken, deadline: number): Promise<Inspection> {
    const remainingMs = Math.max(0, deadline - this.parts.clock.monotonic());
    const verdict = await withDeadline(this.byRecord(token), remainingMs);
    return verdict.status === 'INVALID' ? this.refuse(verdict, deadline) : verdict;
  }

  private async byRecord(token: ParsedToken): Promise<GoodToken | Exclude<Verdict, { readonly status: 'VALID' }>> {
    let record = await this.parts.lookup.find(token.sessionId);
    if (!record) return NOT_KNOWN;
    let verdict = this.judge(token, record);
    if (verdict.status === 'INVALID' && verdict.reason === 'SESSION_IDLE' && !record.end) {
      const { clock, idle } = this.parts;
      if (idle.isOver(record, clock.now())) record = (await idle.end(record.id)) ?? record;
      verdict = this.judge(token, record, null);
    }
    return verdict.status === 'VALID' ? goodToken(token, record, verdict.pair, false) : verdict;
  }

  private async refuse(verdict: Verdict & { readonly status: 'INVALID' }, deadline: number): Promise<Inspection> {
    const refusal = await this.parts.lookup.explain(verdict, deadline - this.parts.clock.monotonic());
    return { status: 'INVALID', ...refusal };
  }

  private judge(token: ParsedToken, record: SessionRecord, idleMs = this.parts.rules.idleMs): Verdict {
    const { activity, clock, rules } = this.parts;
    return judge(token, record, clock.now(), { ...rules, idleMs }, activity.lastUse(record));
  }

  /** So that the next request with the same token need not be looked at, as long as the record is what is remembered. */
  private remember(text: string, { record, pair, isRemembered }: GoodToken, session: Session): void {
    const { activity, cache, rules, verified } = this.parts;
    const copy = cache.get(record.id);
    const remembered = copy?.record === record ? copy : null;
    // What the database has just said is nowhere else the same object.
    if (!remembered && !isRemembered) return;
    const answer = { status: 'VALID', session, remembered: true } as const;
    verified.note(text, {
      record,
      remembered,
      answer,
      until: goodUntil(record, pair, activity.lastUse(record), rules),
    });
  }

  private view(record: SessionRecord): Session {
    let session = this.views.get(record);
    if (!session) this.views.set(record, (session = freezeDeep(toSession(record))));
    return session;
  }
}

function goodToken(
  token: ParsedToken,
  record: SessionRecord,
  pair: TokenPair | SupersededPair,
  isRemembered: boolean,
): GoodToken {
  return { status: 'VALID', token, record, pair, isRemembered };
}

/** Requests share what was read, so none may change it for the others. */
function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(Object.freeze(value)).forEach(freezeDeep);
  }
  return value;
}
