import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import { clientAddress } from '../model/ip-key.js';
import type { IdleTimeout } from './idle-timeout.js';
import type { KnownToken, KnownTokens, Presentation } from './known-tokens.js';
import { type RotationRules, goodUntil, needsUpkeep } from '../rules/rotation.js';
import type { SessionLookup } from './session-lookup.js';
import { type CopiedRecord, type SessionRecord, type UserSession, toSession } from '../model/session.js';
import type { CopiedPair, ParsedToken, Superseded } from '../model/token-pair.js';
import { type Verdict, type Verification, equalHashes, ended, judge, pairOf } from '../model/verification.js';
import type { AccessTokenFormat } from '../tokens/access-token-format.js';
import { MAX_TOKEN_LENGTH, type TokenCodec } from '../tokens/token-codec.js';
import type { TokenRenewal } from './token-renewal.js';
import { endOfHolder, isTombstone } from '../model/session-change.js';
import type { SharedRecord, VerificationCache } from '../ports/verification-cache.js';
import type { VerificationSource, VerificationStats } from './verification-stats.js';

const NOT_KNOWN = { status: 'INVALID', reason: 'TOKEN_INVALID' } as const;
const MALFORMED = { status: 'INVALID', reason: 'TOKEN_MALFORMED' } as const;

/** A valid token with the record that proves it. */
export interface GoodToken {
  readonly status: 'VALID';
  readonly token: ParsedToken;
  readonly record: CopiedRecord;
  readonly pair: CopiedPair | Superseded<CopiedPair>;
  /** True if a copy answered, without the database. */
  readonly isRemembered: boolean;
}

export type Inspection = GoodToken | Exclude<Verification, { readonly status: 'VALID' }>;

export interface InspectOptions {
  /** Bypasses all caches. */
  readonly strict?: boolean;
  /** Monotonic time by which an answer is due. Milliseconds. */
  readonly deadline?: number;
  readonly known?: KnownToken | null;
  /** Entry of the shared cache, if it was just read. */
  readonly found?: SharedRecord;
}

/** Verifies tokens: from memory, from the shared cache, and else from the database. Refuses other text without I/O. */
export class Verifier {
  /** The application's view of each record, shared by all requests that it answers. */
  private readonly views = new WeakMap<CopiedRecord, UserSession>();

  constructor(
    private readonly parts: {
      readonly codec: TokenCodec;
      readonly format: AccessTokenFormat;
      readonly known: KnownTokens;
      readonly lookup: SessionLookup;
      readonly cache: VerificationCache;
      readonly renewal: TokenRenewal;
      readonly idle: IdleTimeout;
      readonly activity: ActivityRecorder;
      readonly clock: Clock;
      readonly rules: RotationRules;
      readonly stats: VerificationStats;
      /** Time limit of a verification. Milliseconds. */
      readonly budgetMs: number;
    },
  ) {}

  /** Verifies a token, and records its use. Synchronous on a cache hit; otherwise a promise that never rejects. */
  verify(text: unknown, use: Presentation): Verification | Promise<Verification> {
    const known = this.parts.known.find(text);
    const answer = known && !use.strict ? this.parts.known.inMemory(known) : null;
    if (!known || !answer) return this.lookUp(text, use, known);
    this.parts.stats.fromMemory++;
    if (this.parts.known.isNews(known, use)) this.noteUse(answer.session.id, use);
    return answer;
  }

  /** Returns the session of a token on a cache hit, else null. Records no use. */
  fromMemory(text: unknown): UserSession | null {
    const known = this.parts.known.find(text);
    const answer = known && this.parts.known.inMemory(known);
    if (answer) this.parts.stats.fromMemory++;
    return answer?.session ?? null;
  }

  /** Judges a token without any effect on its session. Never rejects. */
  async inspect(text: unknown, options: InspectOptions = {}): Promise<Inspection> {
    const { clock, codec, format, known: tokens, stats, budgetMs } = this.parts;
    const startedAt = clock.monotonic();
    const { strict = false, deadline = startedAt + budgetMs, known = tokens.find(text), found } = options;
    if (typeof text !== 'string' || text.length === 0 || text.length > format.maxLength) {
      return stats.count('none', MALFORMED);
    }
    const token = format.read(text);
    if (!token) return stats.count('none', NOT_KNOWN);
    let source: VerificationSource = 'none';
    try {
      // A stored hash that covers the whole text proves authenticity, unless its key was removed since.
      let copy = strict || !format.hashCoversText ? null : this.fromCache(token);
      if (copy?.status === 'VALID' && !codec.hasKey(copy.pair.keyId)) copy = null;
      if (!copy) {
        if (!known) {
          if (!(await format.isAuthentic(text))) return stats.count('none', NOT_KNOWN);
          tokens.note(text, null);
        }
        if (!strict && !format.hashCoversText) copy = this.fromCache(token);
      }
      if (copy) return stats.count('memory', copy);
      const shared = strict ? null : await this.fromShared(token, deadline, found);
      if (shared) return stats.count('shared', shared, clock.monotonic() - startedAt);
      source = 'database';
      return stats.count(source, await this.fromDatabase(token, deadline), clock.monotonic() - startedAt);
    } catch (cause) {
      return stats.count(source, { status: 'UNKNOWN', cause }, clock.monotonic() - startedAt);
    }
  }

  /** Finds the session of a token of either kind, whatever its state. @throws SessionError SESSION_STORE_UNAVAILABLE */
  async findHolder(text: unknown): Promise<SessionRecord | null> {
    const found = await this.readAuthentic(text);
    if (!found) return null;
    const { token, isAccess } = found;
    const record = await this.parts.lookup.find(token.sessionId);
    const pair = record && pairOf(token, record);
    const hash = isAccess ? pair?.accessHash : pair?.refreshHash;
    return hash && equalHashes(hash, token.hash) ? record : null;
  }

  /** Returns the id of the session that a token of either kind names under its MAC; null for any other text. No I/O. */
  async sessionIdOf(text: string): Promise<string | null> {
    return (await this.readAuthentic(text))?.token.sessionId ?? null;
  }

  private async readAuthentic(
    text: unknown,
  ): Promise<{ readonly token: ParsedToken; readonly isAccess: boolean } | null> {
    const { codec, format } = this.parts;
    if (typeof text !== 'string' || text.length > MAX_TOKEN_LENGTH) return null;
    const access = text.length <= format.maxLength ? format.read(text) : null;
    const token = access ?? codec.read('rt', text);
    if (!token || !(await (access ? format.isAuthentic(text) : codec.isAuthentic('rt', text)))) return null;
    return { token, isAccess: access !== null };
  }

  private async lookUp(text: unknown, use: Presentation, known: KnownToken | null): Promise<Verification> {
    const { cache, clock, known: tokens, rules, renewal, stats, budgetMs } = this.parts;
    const startedAt = clock.monotonic();
    const { strict, renew } = use;
    const found = known?.record && !strict ? await cache.fetch(known.record.id) : undefined;
    const answer = known && found ? tokens.inCommon(known, found) : null;
    if (known && answer) {
      if (tokens.isNews(known, use)) this.noteUse(answer.session.id, use);
      return stats.count('shared', answer, clock.monotonic() - startedAt);
    }
    const deadline = startedAt + budgetMs;
    const result = await this.inspect(text, { strict, deadline, known, found });
    if (result.status !== 'VALID') return result;
    const { token, record, pair, isRemembered } = result;
    const session = this.view(record);
    this.noteUse(record.id, use);
    if (!needsUpkeep(record, pair, clock.now(), rules.mode, renew)) {
      this.remember(text as string, result, session);
      return { status: 'VALID', session, ...(isRemembered && { cached: true }) };
    }
    const renewing = renewal.afterUse(token, text as string, record);
    const renewed = await withDeadline(renewing, deadline - clock.monotonic()).catch(() => null);
    return { status: 'VALID', session, ...(renewed && { renewed }) };
  }

  private noteUse(sessionId: string, { ip, activity }: Presentation): void {
    this.parts.activity.record(sessionId, this.parts.clock.now(), clientAddress(ip), activity);
  }

  private fromCache(token: ParsedToken): Inspection | null {
    const remembered = this.parts.cache.get(token.sessionId);
    return remembered && this.byCopy(token, remembered.record);
  }

  private async fromShared(token: ParsedToken, deadline: number, known?: SharedRecord): Promise<Inspection | null> {
    const found = known === undefined ? await this.parts.cache.fetch(token.sessionId) : known;
    if (!found) return null;
    if (!isTombstone(found)) return this.byCopy(token, found);
    const end = endOfHolder(token, found);
    return end && this.refuse(ended(end, this.parts.clock.now(), this.parts.rules), deadline);
  }

  /** Accepts two verdicts of a copy: valid, or past the absolute end. For any other it may be stale. */
  private byCopy(token: ParsedToken, record: CopiedRecord): Inspection | null {
    const verdict = this.judge(token, record);
    if (verdict.status === 'VALID') return { status: 'VALID', token, record, pair: verdict.pair, isRemembered: true };
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
      verdict = this.judge(token, record, Infinity);
    }
    if (verdict.status !== 'VALID') return verdict;
    return { status: 'VALID', token, record, pair: verdict.pair, isRemembered: false };
  }

  private async refuse(verdict: Verdict & { readonly status: 'INVALID' }, deadline: number): Promise<Inspection> {
    const { clock, lookup } = this.parts;
    return { status: 'INVALID', ...(await lookup.explain(verdict, deadline - clock.monotonic())) };
  }

  private judge(token: ParsedToken, record: CopiedRecord, lastUse = this.parts.activity.lastUse(record)): Verdict {
    return judge(token, record, this.parts.clock.now(), this.parts.rules, lastUse);
  }

  /** Caches the verdict for the next request with this token, valid while its record is the current copy. */
  private remember(text: string, { record, pair, isRemembered }: GoodToken, session: UserSession): void {
    const { activity, cache, known, rules } = this.parts;
    const copy = cache.get(record.id);
    const remembered = copy?.record === record ? copy : null;
    // No cache holds the object that the database has just returned.
    if (!remembered && !isRemembered) return;
    const answer = { status: 'VALID', session, cached: true } as const;
    const until = goodUntil(record, pair, activity.lastUse(record), rules);
    known.note(text, { record, remembered, answer, until });
  }

  private view(record: CopiedRecord): UserSession {
    let session = this.views.get(record);
    if (!session) this.views.set(record, (session = freezeDeep(toSession(record))));
    return session;
  }
}

/** Frozen, because requests share it. */
function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(Object.freeze(value)).forEach(freezeDeep);
  }
  return value;
}
