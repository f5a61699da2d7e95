import { BatchedReads } from '../async/batches.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import { SessionError, defaultMessages } from '../model/session-error.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionEnd, SessionRecord } from '../model/session.js';
import type { VerificationCache } from '../ports/verification-cache.js';
import type { Refusal, Replacement, Verdict } from '../model/verification.js';

/** How a session ended, for people. */
export interface EndExplanation extends SessionEnd {
  /** The login that took its place, for SESSION_REPLACED. */
  readonly replacement: Replacement | null;
  readonly message: string;
}

/** Reads records of the database for many callers at once, and hands what it read to the caches. */
export class SessionLookup {
  private readonly reads: BatchedReads<SessionRecord>;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'findSessions'>;
      readonly cache: VerificationCache;
      readonly clock: Clock;
      /** Most reads of the database at once. */
      readonly parallelReads: number;
      /** Time in which the database must have answered. Milliseconds. */
      readonly budgetMs: number;
    },
  ) {
    this.reads = new BatchedReads((ids) => this.read(ids), parts.parallelReads, parts.budgetMs);
  }

  /** The record of a session as the database has it, or null. @throws SessionError SESSION_STORE_UNAVAILABLE */
  find(sessionId: string): Promise<SessionRecord | null> {
    return this.reads.get(sessionId);
  }

  /**
   * Throws for a session that is over, whatever is done to it meanwhile. Null for any other one.
   * @throws SessionError SESSION_NOT_FOUND, SESSION_STORE_UNAVAILABLE
   */
  async refuseOver(sessionId: string): Promise<null> {
    const record = await this.find(sessionId);
    if (!record || record.end || this.parts.clock.now() >= record.expiresAt)
      throw new SessionError('SESSION_NOT_FOUND');
    return null;
  }

  /**
   * Adds to a refusal what its holder may hear of the end. Never rejects: the reason is known, and the rest may be missing.
   * @param withinMs how long it may take
   */
  async explain(
    { reason, end }: Verdict & { readonly status: 'INVALID' },
    withinMs = this.parts.budgetMs,
  ): Promise<Refusal> {
    if (!end) return { reason };
    const found = end.replacedBy === null || withinMs <= 0 ? null : this.findReplacement(end.replacedBy);
    const winner = found && (await withDeadline(found, withinMs).catch(() => null));
    return { reason, endedAt: end.at, ...(winner && { replacedBy: winner }) };
  }

  /** Null for a session that is live or unknown. @throws SessionError SESSION_STORE_UNAVAILABLE */
  async explainEnd(sessionId: string): Promise<EndExplanation | null> {
    const end = (await this.find(sessionId))?.end;
    if (!end) return null;
    const replacement = end.replacedBy === null ? null : await this.findReplacement(end.replacedBy);
    return { ...end, replacement, message: defaultMessages[end.reason] };
  }

  /** Describes the session that took the place of another. @throws SessionError SESSION_STORE_UNAVAILABLE */
  async findReplacement(id: string): Promise<Replacement | null> {
    const winner = this.parts.cache.get(id)?.record ?? (await this.find(id));
    return winner && { deviceType: winner.deviceType, deviceName: winner.deviceName, at: winner.createdAt };
  }

  /** Refreshes aging copies of sessions in use, first from what another node has read meanwhile. */
  async refreshCopies(): Promise<void> {
    const { cache } = this.parts;
    const ids = cache.takeAging();
    await Promise.all(ids.map((id) => cache.fetch(id)));
    const old = ids.filter((id) => cache.isAging(id));
    await Promise.all(old.map((id) => this.find(id).catch(() => null)));
  }

  private async read(ids: readonly string[]): Promise<ReadonlyMap<string, SessionRecord>> {
    const { cache, clock, repository } = this.parts;
    const readAt = clock.now();
    const records = await repository.findSessions(ids);
    for (const record of records) cache.put(record, readAt);
    return new Map(records.map((record) => [record.id, record]));
  }
}
