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
