/**
 * The two readings of time that the library uses. Injected everywhere, so that tests own time.
 *
 * - `now()` is the time of the database in integer milliseconds since the epoch: the one clock that all nodes share and
 *   that every expiry is judged by.
 * - `monotonic()` is milliseconds since an arbitrary start; it never steps. Only differences of it mean anything.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
}

/**
 * A clock that follows another machine's: it is told what that machine's time was and counts on from there with the
 * monotonic clock, so a step of this node's wall clock changes no verdict.
 */
export class SynchronizedClock implements Clock {
  private base = Date.now();
  private measuredAt = performance.now();

  now(): number {
    return Math.round(this.base + (performance.now() - this.measuredAt));
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
