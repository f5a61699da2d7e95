import type { Clock } from './clock.js';
import { BatchedReads } from './batched-reads.js';
import type { SessionRepository } from './session-repository.js';
import { type Session, type SessionRecord, toSession } from './session.js';
import { type ParsedToken, type TokenCodec, equalHashes } from './token-codec.js';
import type { VerificationCache } from './verification-cache.js';
import { type Replacement, type Verdict, type Verification, judge } from './verification.js';

/** Far above the length of any token of ours; longer text is refused unread (RFC 6750 sets no limit). */
export const MAX_TOKEN_LENGTH = 512;

const NOT_KNOWN: Verification = { status: 'INVALID', reason: 'TOKEN_INVALID' };
const NOT_A_TOKEN: Verification = { status: 'INVALID', reason: 'TOKEN_MALFORMED' };

export interface VerifierParts {
  readonly codec: TokenCodec;
  readonly repository: Pick<SessionRepository, 'findSessions'>;
  readonly cache: VerificationCache;
  readonly clock: Clock;
  /** How long the holder of an ended session's token is told why it ended. Milliseconds. */
  readonly endReasonTtlMs: number;
  /** Most reads of the database at once. */
  readonly parallelReads: number;
  /** Time in which the database must have answered. Milliseconds. */
  readonly budgetMs: number;
}

/**
 * Answers whether a token is good: from the cache where it may, without any I/O where the token cannot be ours, from the
 * database otherwise.
 */
export class Verifier {
  private readonly reads: BatchedReads<SessionRecord>;
  /** The application's view of each record, made once and shared by the requests that the record answers. */
  private readonly views = new WeakMap<SessionRecord, Session>();

  constructor(private readonly parts: VerifierParts) {
    this.reads = new BatchedReads((ids) => this.readRecords(ids), parts.parallelReads, parts.budgetMs);
  }

  /** Never rejects. */
  async verify(token: unknown): Promise<Verification> {
    if (typeof token !== 'string' || token.length === 0 || token.length > MAX_TOKEN_LENGTH) return NOT_A_TOKEN;
    const parsed = this.parts.codec.read('at', token);
    if (!parsed) return NOT_KNOWN;
    const cached = this.fromCache(parsed);
    if (cached) return this.valid(cached);
    if (!this.parts.codec.isAuthentic('at', token)) return NOT_KNOWN;
    try {
      const record = await this.reads.get(parsed.sessionId);
      return record ? await this.explain(this.judge(parsed, record), record) : NOT_KNOWN;
    } catch (cause) {
      return { status: 'UNKNOWN', cause };
    }
  }

  /**
   * The record that a token belongs to, whatever its state, or null if it is not the token of a session.
   * @throws SessionError SESSION_STORE_UNAVAILABLE
   */
  async findHolder(token: unknown): Promise<SessionRecord | null> {
    if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH) return null;
    const parsed = this.parts.codec.read('at', token);
    if (!parsed || !this.parts.codec.isAuthentic('at', token)) return null;
    const record = await this.reads.get(parsed.sessionId);
    return record && equalHashes(record.accessHash, parsed.hash) ? record : null;
  }

  /** A good copy says VALID. Whatever else it would say, the database is asked: a copy may be behind. */
  private fromCache(parsed: ParsedToken): SessionRecord | null {
    const copy = this.parts.cache.get(parsed.sessionId);
    return copy && this.judge(parsed, copy).status === 'VALID' ? copy : null;
  }

  private valid(record: SessionRecord): Verification {
    let session = this.views.get(record);
    if (!session) this.views.set(record, (session = freezeDeep(toSession(record))));
    return { status: 'VALID', session };
  }

  private judge(parsed: ParsedToken, record: SessionRecord): Verdict {
    return judge(parsed, record, this.parts.clock.now(), this.parts.endReasonTtlMs);
  }

  private async explain(verdict: Verdict, record: SessionRecord): Promise<Verification> {
    if (verdict.status === 'VALID') return this.valid(record);
    if (verdict.status === 'UNKNOWN' || !verdict.end) return verdict;
    const { reason, at, replacedBy } = verdict.end;
    const winner = replacedBy === null ? undefined : await this.describeReplacement(replacedBy);
    return { status: 'INVALID', reason, endedAt: at, ...(winner && { replacedBy: winner }) };
  }

  private async describeReplacement(id: string): Promise<Replacement | undefined> {
    const winner = await this.reads.get(id);
    return winner ? { deviceType: winner.deviceType, deviceName: winner.deviceName, at: winner.createdAt } : undefined;
  }

  private async readRecords(ids: readonly string[]): Promise<ReadonlyMap<string, SessionRecord>> {
    const { cache, clock, repository } = this.parts;
    const readAt = clock.now();
    const records = await repository.findSessions(ids);
    for (const record of records) if (!record.end) cache.put(record, readAt);
    return new Map(records.map((record) => [record.id, record]));
  }
}

/** Requests share what was read, so none may change it for the others. */
function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(Object.freeze(value)).forEach(freezeDeep);
  }
  return value;
}
