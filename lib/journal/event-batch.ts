import type { DetachedEvent, JournalRepository } from '../ports/journal-repository.js';
import { writeInChunks } from '../async/write-in-chunks.js';

/** Most events that wait for the next flush; an event may hold some kilobytes. Further ones are dropped and counted. */
const MAX_PENDING = 10_000;

/** Collects events that nobody waits for, and writes them in batches. What cannot be written is dropped. */
export class EventBatch {
  private pending: DetachedEvent[] = [];
  /** Events that are being written. */
  private underWay = 0;
  private flushing: Promise<void> = Promise.resolve();
  /** Events that were dropped because too many were pending or a write failed. */
  dropped = 0;

  constructor(private readonly repository: Pick<JournalRepository, 'addEvents'>) {}

  add(event: DetachedEvent): void {
    if (this.pending.length + this.underWay >= MAX_PENDING) this.dropped++;
    else this.pending.push(event);
  }

  /** Writes what is pending, after any flush that is under way. Never rejects. */
  flush(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write()));
  }

  private async write(): Promise<void> {
    const batch = this.pending;
    this.pending = [];
    this.underWay = batch.length;
    const lost = await writeInChunks(batch, (chunk) => this.repository.addEvents(chunk));
    this.dropped += lost.length;
    this.underWay = 0;
  }
}
