/**
 * The two readings of time that the library uses. Injected everywhere, so that tests own time.
 *
 * - `now()` is the time of the database in integer milliseconds since the epoch: the one clock that all nodes share and
 *   that every expiry is judged by.
 * - `monotonic()` is milliseconds since an arbitrary start; it never steps. Only differences of it mean anything.
 * - `nowAt()` is what `now()` was when `monotonic()` was this, just before: a clock need not be read twice for one moment.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
  nowAt(monotonic: number): number;
}

/**
 * A clock that follows another machine's: it is told what that machine's time was and counts on from there with the
 * monotonic clock, so a step of this node's wall clock changes no verdict.
 */
export class SynchronizedClock implements Clock {
  private base = Date.now();
  private measuredAt = performance.now();

  now(): number {
    return this.nowAt(performance.now());
  }

  nowAt(monotonic: number): number {
    return Math.round(this.base + (monotonic - this.measuredAt));
  }

  monotonic(): number {
    return performance.now();
  }

  /**
   * Takes over a reading of the reference clock.
   * @param reference what the reference clock showed, in milliseconds since the epoch
   * @param measuredAt monotonic time at which it showed that
   */
  synchronize(reference: number, measuredAt: number): void {
    this.base = reference;
    this.measuredAt = measuredAt;
  }
}
