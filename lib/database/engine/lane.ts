import { SessionError } from '../../model/session-error.js';

/**
 * Lets at most `width` pieces of work run at once; the others wait in order, each until its own deadline. A place is given
 * back when the work has settled, not when its caller stopped waiting.
 */
export class Lane {
  private running = 0;
  private readonly waiting: { start: () => void; timer: NodeJS.Timeout }[] = [];

  /** @param mostWaiting how many may wait */
  constructor(
    private readonly width: number,
    private readonly mostWaiting = Infinity,
  ) {}

  get isIdle(): boolean {
    return this.running === 0;
  }

  /**
   * @throws SessionError SESSION_STORE_UNAVAILABLE if no place comes free in time, or too many wait for one; the work was not
   *   started then
   */
  async run<T>(work: () => Promise<T>, waitMs: number): Promise<T> {
    if (this.running >= this.width) await this.wait(waitMs);
    else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next.start();
      else this.running--;
    }
  }

  /** Waits for a place that is handed over by work that ends. */
  private wait(waitMs: number): Promise<void> {
    if (this.waiting.length >= this.mostWaiting) return Promise.reject(new SessionError('SESSION_STORE_UNAVAILABLE'));
    return new Promise((resolve, reject) => {
      const entry = {
        start: () => {
          clearTimeout(entry.timer);
          resolve();
        },
        timer: setTimeout(() => {
          this.waiting.splice(this.waiting.indexOf(entry), 1);
          reject(new SessionError('SESSION_STORE_UNAVAILABLE'));
        }, waitMs),
      };
      this.waiting.push(entry);
    });
  }
}

/** Most that wait for one row: more than any budget is long enough for. */
const MOST_WAITING = 1000;

/**
 * Lets the work that locks a row run one piece at a time, in order. The others wait here, each until its own deadline, and not on a
 * connection each: one row would take all connections from everyone else.
 */
export class RowQueues {
  private readonly lanes = new Map<string, Lane>();

  /** Says that no work for the row is running or waiting in this process. */
  isFree(row: string): boolean {
    return !this.lanes.has(row);
  }

  /** @throws SessionError SESSION_STORE_UNAVAILABLE as Lane.run does */
  async run<T>(row: string, work: () => Promise<T>, waitMs: number): Promise<T> {
    const lane = this.lanes.get(row) ?? new Lane(1, MOST_WAITING);
    this.lanes.set(row, lane);
    try {
      return await lane.run(work, waitMs);
    } finally {
      if (lane.isIdle && this.lanes.get(row) === lane) this.lanes.delete(row);
    }
  }
}
