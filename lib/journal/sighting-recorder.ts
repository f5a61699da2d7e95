import { ipKey } from '../model/ip-key.js';
import type { JournalRepository, Sighting } from '../ports/journal-repository.js';
import { writeInChunks } from '../async/batches.js';

/** Most pairs of session and address between two flushes; further ones are dropped and counted. */
const MAX_PENDING = 100_000;

/** Bounded memory of when pairs were last written. Milliseconds since the epoch. */
interface WrittenSightings {
  get(pair: string): number | undefined;
  set(pair: string, at: number): unknown;
  delete(pair: string): unknown;
}

interface PendingSighting {
  readonly sessionId: string;
  readonly ip: string;
  firstAt: number;
  lastAt: number;
}

/** Skips a written pair of session and address for `intervalMs`. The next use makes up for what cannot be written. */
export class SightingRecorder {
  private pending = new Map<string, PendingSighting>();
  private underWay = 0;
  private flushing: Promise<void> = Promise.resolve();
  /** Pairs dropped because too many were pending or a write failed. */
  dropped = 0;

  constructor(
    private readonly repository: Pick<JournalRepository, 'addSightings'>,
    private readonly written: WrittenSightings,
    private readonly intervalMs: number,
  ) {}

  /** @param at milliseconds since the epoch */
  note(sessionId: string, at: number, ip: string): void {
    const pair = sessionId + ip;
    const known = this.pending.get(pair);
    if (known) {
      known.firstAt = Math.min(known.firstAt, at);
      known.lastAt = Math.max(known.lastAt, at);
      return;
    }
    const writtenAt = this.written.get(pair);
    if (writtenAt !== undefined && at - writtenAt < this.intervalMs) return;
    if (this.pending.size + this.underWay >= MAX_PENDING) this.dropped++;
    else this.pending.set(pair, { sessionId, ip, firstAt: at, lastAt: at });
  }

  /** Writes pending sightings, after any running flush. Never rejects. */
  flush(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write()));
  }

  private async write(): Promise<void> {
    const pending = [...this.pending.values()];
    this.pending = new Map();
    this.underWay = pending.length;
    const lost = await writeInChunks(pending, (chunk) => this.writeChunk(chunk));
    for (const { sessionId, ip } of lost) this.written.delete(sessionId + ip);
    this.dropped += lost.length;
    this.underWay = 0;
  }

  /** Prepares each chunk in its turn: preparing many at once would block the event loop. */
  private writeChunk(chunk: readonly PendingSighting[]): Promise<void> {
    // Marked before the write completes, or a use in between would be written again at once.
    for (const { sessionId, ip, lastAt } of chunk) this.written.set(sessionId + ip, lastAt);
    return this.repository.addSightings(distinct(chunk));
  }
}

/** Sorted by key, so that nodes that write concurrently lock rows in the same order. */
function distinct(pending: readonly PendingSighting[]): readonly Sighting[] {
  const sightings = new Map<string, Sighting>();
  for (const { sessionId, ip, firstAt, lastAt } of pending) {
    const key = ipKey(ip);
    if (key === null) continue;
    // One address may come in several spellings.
    const known = sightings.get(sessionId + key);
    sightings.set(sessionId + key, {
      sessionId,
      ip,
      ipKey: key,
      firstAt: Math.min(firstAt, known?.firstAt ?? firstAt),
      lastAt: Math.max(lastAt, known?.lastAt ?? lastAt),
    });
  }
  return [...sightings].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sighting]) => sighting);
}
