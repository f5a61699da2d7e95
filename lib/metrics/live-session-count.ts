import { withDeadline } from '../async/deadline.js';

/** How long a count is good for. */
const KEEP_MS = 10_000;
/** Longest time that a scrape waits for one. */
const WAIT_MS = 1000;

/** How many sessions are live, counted at most once in ten seconds however often it is asked for. */
export class LiveSessionCount {
  private latest: number | null = null;
  private counting: Promise<void> | null = null;
  private countedAt = -Infinity;

  constructor(private readonly count: () => Promise<number>) {}

  /** Null if the database did not say, or has not said yet. Resolves within a second and never rejects. */
  async read(): Promise<number | null> {
    if (!this.counting && performance.now() - this.countedAt >= KEEP_MS) {
      this.countedAt = performance.now();
      this.counting = this.recount().finally(() => (this.counting = null));
    }
    if (this.counting) await withDeadline(this.counting, WAIT_MS).catch(() => undefined);
    return this.latest;
  }

  private async recount(): Promise<void> {
    this.latest = await this.count().catch(() => null);
  }
}
