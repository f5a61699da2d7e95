import type { Activity, SessionRepository } from './session-repository.js';
import type { SightingRecorder } from './sighting-recorder.js';

/** Most sessions whose use is remembered between two flushes; uses of further ones are dropped and counted. */
const MAX_PENDING = 100_000;
/** Most sessions in one statement. */
const CHUNK = 500;

/**
 * Collects the uses of sessions in memory and writes them in batches, so that a verification never waits for a write.
 * What cannot be written is dropped, not retried: the next use of the session makes up for it.
 */
export class ActivityRecorder {
  private pending = new Map<string, Activity>();
  private flushing: Promise<void> = Promise.resolve();
  /** Uses that were dropped because too many sessions were pending or a write failed. */
  dropped = 0;
  /** Time of the latest use that was dropped: up to then, nobody may be taken for idle by the record. */
  lostAt = -Infinity;

  /** @param sightings is told of every address; null where nobody wants to know */
  constructor(
    private readonly repository: Pick<SessionRepository, 'recordActivity'>,
    private readonly sightings: Pick<SightingRecorder, 'note'> | null = null,
  ) {}

  /** Notes the address of a login, which is no use of the session. @param at milliseconds since the epoch */
  recordLogin(sessionId: string, at: number, ip: string | null): void {
    if (ip !== null) this.sightings?.note(sessionId, at, ip);
  }

  /** Notes a use. @param at milliseconds since the epoch */
  record(sessionId: string, at: number, ip: string | null): void {
    if (ip !== null) this.sightings?.note(sessionId, at, ip);
    const known = this.pending.get(sessionId);
    if (!known && this.pending.size >= MAX_PENDING) {
      this.drop(at);
    } else if (!known || known.at <= at) {
      this.pending.set(sessionId, { sessionId, at, ip: ip ?? known?.ip ?? null });
    }
  }

  /** The last use that is not yet written, if any. */
  peek(sessionId: string): Activity | undefined {
    return this.pending.get(sessionId);
  }

  /** The last use that this node or the record knows of. Milliseconds since the epoch. */
  lastUse({ id, lastSeenAt }: { readonly id: string; readonly lastSeenAt: number }): number {
    return Math.max(lastSeenAt, this.peek(id)?.at ?? 0);
  }

  /** Writes what is pending, after any flush that is under way. Never rejects. */
  flush(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write()));
  }

  private async write(): Promise<void> {
    const batch = [...this.pending.values()].sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
    for (let from = 0; from < batch.length; from += CHUNK) {
      const chunk = batch.slice(from, from + CHUNK);
      try {
        await this.repository.recordActivity(chunk);
        this.forget(chunk);
      } catch {
        // The database has trouble enough; the rest would wait for it in vain, at a shutdown as well.
        const lost = batch.slice(from);
        for (const { at } of lost) this.drop(at);
        this.forget(lost);
        return;
      }
    }
  }

  private drop(at: number): void {
    this.dropped++;
    this.lostAt = Math.max(this.lostAt, at);
  }

  /** Uses that came meanwhile stay. */
  private forget(activities: readonly Activity[]): void {
    for (const activity of activities) {
      if (this.pending.get(activity.sessionId) === activity) this.pending.delete(activity.sessionId);
    }
  }
}
