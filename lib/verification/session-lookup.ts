import { BatchedReads } from '../async/batches.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import { SessionError, defaultMessages } from '../model/session-error.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionEnd, SessionRecord } from '../model/session.js';
import type { VerificationCache } from '../ports/verification-cache.js';
import type { Refusal, Replacement, Verdict } from '../model/verification.js';

/** End of a session, for people. */
export interface EndExplanation extends SessionEnd {
  /** Login that replaced the session, for SESSION_REPLACED. */
  readonly replacement: Replacement | null;
  readonly message: string;
}

/** Batches reads of session records for concurrent callers, and fills the caches. */
export class SessionLookup {
  private readonly reads: BatchedReads<SessionRecord>;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'findSessions'>;
      readonly cache: VerificationCache;
      readonly clock: Clock;
      /** Most concurrent reads of the database. */
      readonly parallelReads: number;
      /** Time limit of a read. Milliseconds. */
      readonly budgetMs: number;
    },
  ) {
    this.reads = new BatchedReads((ids) => this.read(ids), parts.parallelReads, parts.budgetMs);
  }

  /** Reads a record from the database; null for an unknown session. @throws SessionError SESSION_STORE_UNAVAILABLE */
  find(sessionId: string): Promise<SessionRecord | null> {
    return this.reads.get(sessionId);
  }

  /** @throws SessionError SESSION_NOT_FOUND for a session that is over, SESSION_STORE_UNAVAILABLE */
  async refuseOver(sessionId: string): Promise<null> {
    const record = await this.find(sessionId);
    if (record && !record.end && this.parts.clock.now() < record.expiresAt) return null;
    throw new SessionError('SESSION_NOT_FOUND');
  }

  /** Adds details of the end to a refusal, as far as they are found in time. Never rejects. */
  async explain(
    { reason, end }: Verdict & { readonly status: 'INVALID' },
    withinMs = this.parts.budgetMs,
  ): Promise<Refusal> {
    if (!end) return { reason };
    const found = end.replacedBy === null || withinMs <= 0 ? null : this.findReplacement(end.replacedBy);
    const winner = found && (await withDeadline(found, withinMs).catch(() => null));
    return { reason, endedAt: end.at, ...(winner && { replacedBy: winner }) };
  }

  /** Null for a live or unknown session. @throws SessionError SESSION_STORE_UNAVAILABLE */
  async explainEnd(sessionId: string): Promise<EndExplanation | null> {
    const end = (await this.find(sessionId))?.end;
    if (!end) return null;
    const replacement = end.replacedBy === null ? null : await this.findReplacement(end.replacedBy);
    return { ...end, replacement, message: defaultMessages[end.reason] };
  }

  /** @throws SessionError SESSION_STORE_UNAVAILABLE */
  async findReplacement(id: string): Promise<Replacement | null> {
    const winner = this.parts.cache.get(id)?.record ?? (await this.find(id));
    return winner && { deviceType: winner.deviceType, deviceName: winner.deviceName, at: winner.createdAt };
  }

  /** Refreshes aging copies of sessions in use, first from the shared cache. */
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
