import type { Activity, SessionRepository } from '../ports/session-repository.js';
import { type SessionRecord, type SessionWithEnd, toDetails } from '../model/session.js';
import { writeInChunks } from '../async/batches.js';
import type { SightingRecorder } from './sighting-recorder.js';

/** Most sessions with pending uses between two flushes; further uses are dropped and counted. */
const MAX_PENDING = 100_000;
/** Most sessions known to be stored as presented. */
const MAX_WRITTEN = 50_000;

/** Drops a use that cannot be written, but no first presentation, because a login never presented counts as abandoned. */
export class ActivityRecorder {
  private pending = new Map<string, Activity>();
  /** Recently written sessions, stored as presented. */
  private written = new Set<string>();
  private flushing: Promise<void> = Promise.resolve();
  /** Uses dropped because too many sessions were pending or a write failed. */
  dropped = 0;
  /** Time of the latest dropped use: up to then, the record alone does not prove idleness. */
  lostAt = -Infinity;

  /** @param sightings receives every address; null if sightings are off */
  constructor(
    private readonly repository: Pick<SessionRepository, 'recordActivity'>,
    private readonly sightings: Pick<SightingRecorder, 'note'> | null = null,
  ) {}

  /** Records the address of a login, which is not a use of the session. @param at milliseconds since the epoch */
  recordLogin(sessionId: string, at: number, ip: string | null): void {
    if (ip !== null) this.sightings?.note(sessionId, at, ip);
  }

  /** Records a presented token. @param at milliseconds since the epoch @param counts true for a use, which resets the idle timeout */
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

  peek(sessionId: string): Activity | undefined {
    return this.pending.get(sessionId);
  }

  /** Returns the last use known to this node or the record, in milliseconds since the epoch. */
  lastUse({ id, lastSeenAt }: { readonly id: string; readonly lastSeenAt: number }): number {
    return Math.max(lastSeenAt, this.peek(id)?.usedAt ?? 0);
  }

  /** Makes the view of a session for users and operators, pending uses included. */
  view(record: SessionRecord): SessionWithEnd {
    const session = toDetails(record);
    const use = this.peek(record.id);
    if (!use) return session;
    const lastIp = use.at < record.lastSeenAt ? record.lastIp : (use.ip ?? record.lastIp);
    return { ...session, lastSeenAt: this.lastUse(record), lastIp };
  }

  /** Writes pending activity, after any running flush. Never rejects. */
  flush(): Promise<void> {
    // First what must not be lost: chunks behind a failed one are not tried.
    return (this.flushing = this.flushing.then(() => this.write([...this.inOrder(false), ...this.inOrder(true)])));
  }

  /** Writes what other nodes need soon: first presentations. Never rejects. */
  flushFirst(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write(this.inOrder(false))));
  }

  /** @param isOnRecord selects sessions stored as presented, or the others */
  private inOrder(isOnRecord: boolean): readonly Activity[] {
    return [...this.pending.values()].filter((one) => this.written.has(one.sessionId) === isOnRecord).sort(byId);
  }

  private async write(batch: readonly Activity[]): Promise<void> {
    const lost = await writeInChunks(batch, async (chunk) => {
      await this.repository.recordActivity(chunk.toSorted(byId));
      this.forget(chunk);
      this.remember(chunk);
    });
    this.giveUp(lost);
  }

  private remember(chunk: readonly Activity[]): void {
    for (const { sessionId } of chunk) {
      this.written.delete(sessionId);
      this.written.add(sessionId);
    }
    // Evicts in FIFO order. A lost entry costs one needless write.
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

  private drop(usedAt: number | null): void {
    this.dropped++;
    this.lostAt = Math.max(this.lostAt, usedAt ?? -Infinity);
  }

  /** Keeps uses that arrived meanwhile. */
  private forget(activities: readonly Activity[]): void {
    for (const activity of activities) {
      if (this.pending.get(activity.sessionId) === activity) this.pending.delete(activity.sessionId);
    }
  }
}

function byId(a: Activity, b: Activity): number {
  return a.sessionId < b.sessionId ? -1 : 1;
}
