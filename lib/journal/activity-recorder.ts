import type { Activity, SessionRepository } from '../ports/session-repository.js';
import { type SessionRecord, type SessionWithEnd, toSession } from '../model/session.js';
import type { SightingRecorder } from './sighting-recorder.js';

/** Most sessions whose use is remembered between two flushes; uses of further ones are dropped and counted. */
const MAX_PENDING = 100_000;
/** Most sessions of which is remembered that they are on record as presented. */
const MAX_WRITTEN = 50_000;
/** Most sessions in one statement. */
const CHUNK = 500;

/**
 * Collects the uses of sessions in memory and writes them in batches, so that a verification never waits for a write.
 * A use that cannot be written is dropped, not retried: the next use of the session makes up for it. That a session was
 * presented at all is kept until it is written: a login that was never presented counts as abandoned.
 */
export class ActivityRecorder {
  private pending = new Map<string, Activity>();
  /** Sessions that were written of late: that their tokens were presented is on record. */
  private written = new Set<string>();
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

  /**
   * Notes that a token of the session was presented.
   * @param at milliseconds since the epoch
   * @param counts whether it is a use of the session, which puts off the idle timeout
   */
  record(sessionId: string, at: number, ip: string | null, counts = true): void {
    if (ip !== null) this.sightings?.note(sessionId, at, ip);
    const known = this.pending.get(sessionId);
    if (!known && this.pending.size >= MAX_PENDING) {
      this.drop(counts ? at : null);
      return;
    }
    const isLatest = !known || known.at <= at;
    this.pending.set(sessionId, {
      sessionId,
      at: isLatest ? at : known.at,
      usedAt: counts ? Math.max(at, known?.usedAt ?? 0) : (known?.usedAt ?? null),
      ip: isLatest ? (ip ?? known?.ip ?? null) : known.ip,
    });
  }

  /** What is not yet written of a session, if anything. */
  peek(sessionId: string): Activity | undefined {
    return this.pending.get(sessionId);
  }

  /** The last use that this node or the record knows of. Milliseconds since the epoch. */
  lastUse({ id, lastSeenAt }: { readonly id: string; readonly lastSeenAt: number }): number {
    return Math.max(lastSeenAt, this.peek(id)?.usedAt ?? 0);
  }

  /** A session for users and operators, with the uses that are not written yet. */
  view(record: SessionRecord): SessionWithEnd {
    const session = toSession(record);
    const use = this.peek(record.id);
    if (!use) return session;
    const lastIp = use.at < record.lastSeenAt ? record.lastIp : (use.ip ?? record.lastIp);
    return { ...session, lastSeenAt: this.lastUse(record), lastIp };
  }

  /** Writes what is pending, after any flush that is under way. Never rejects. */
  flush(): Promise<void> {
    // What must not get lost comes first: the chunks behind one that fails are not tried.
    return (this.flushing = this.flushing.then(() => this.write([...this.inOrder(false), ...this.inOrder(true)])));
  }

  /** Writes what other nodes have to know soon: of which sessions a token was presented for the first time. Never rejects. */
  flushFirst(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write(this.inOrder(false))));
  }

  /** @param isOnRecord whether those that are on record, or the others */
  private inOrder(isOnRecord: boolean): readonly Activity[] {
    return [...this.pending.values()].filter((one) => this.written.has(one.sessionId) === isOnRecord).sort(byId);
  }

  private async write(batch: readonly Activity[]): Promise<void> {
    for (let from = 0; from < batch.length; from += CHUNK) {
      const chunk = batch.slice(from, from + CHUNK);
      try {
        await this.repository.recordActivity(chunk.toSorted(byId));
        this.forget(chunk);
        this.remember(chunk);
      } catch {
        // The database has trouble enough; the rest would wait for it in vain, at a shutdown as well.
        this.giveUp(batch.slice(from));
        return;
      }
    }
  }

  private remember(chunk: readonly Activity[]): void {
    for (const { sessionId } of chunk) {
      this.written.delete(sessionId);
      this.written.add(sessionId);
    }
    // The first in are the first out. A session that is forgotten costs no more than a write that was not needed.
    for (const sessionId of this.written) {
      if (this.written.size <= MAX_WRITTEN) break;
      this.written.delete(sessionId);
    }
  }

  private giveUp(lost: readonly Activity[]): void {
    this.forget(lost);
    for (const activity of lost) {
      const isKept = !this.written.has(activity.sessionId);
      if (activity.usedAt !== null || !isKept) this.drop(activity.usedAt);
      if (isKept && !this.pending.has(activity.sessionId)) {
        this.pending.set(activity.sessionId, { ...activity, usedAt: null });
      }
    }
  }

  /** @param usedAt null for what is no use */
  private drop(usedAt: number | null): void {
    this.dropped++;
    this.lostAt = Math.max(this.lostAt, usedAt ?? -Infinity);
  }

  /** Uses that came meanwhile stay. */
  private forget(activities: readonly Activity[]): void {
    for (const activity of activities) {
      if (this.pending.get(activity.sessionId) === activity) this.pending.delete(activity.sessionId);
    }
  }
}

function byId(a: Activity, b: Activity): number {
  return a.sessionId < b.sessionId ? -1 : 1;
}
