import { SessionError } from '../../model/session-error.js';

/** FIFO semaphore with per-caller deadlines. A place is given back when the work has settled, not when its caller stopped waiting. */
export class Lane {
  private running = 0;
  private readonly waiting: { start: () => void; timer: NodeJS.Timeout }[] = [];

  constructor(
    private readonly width: number,
    private readonly mostWaiting = Infinity,
  ) {}

  get isIdle(): boolean {
    return this.running === 0;
  }

  /** @throws SessionError SESSION_STORE_UNAVAILABLE if no place comes free in time, or too many wait; the work was not started */
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

/** Most that wait for one row: more than any budget lets through. */
const MOST_WAITING = 1000;

/** Runs the work that locks a row one piece at a time. The others wait here, and not on a connection each. */
export class RowQueues {
  private readonly lanes = new Map<string, Lane>();

  /** True if no work for the row is running or waiting in this process. */
  isFree(row: string): boolean {
    return !this.lanes.has(row);
  }

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
