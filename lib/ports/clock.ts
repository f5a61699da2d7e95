/**
 * Source of time, injected so that tests control it.
 *
 * - `now()` is the database's time in integer milliseconds since the epoch, the one clock that all nodes share. All
 *   expiry is judged by it.
 * - `monotonic()` is milliseconds since an arbitrary start and never steps. Only differences are meaningful.
 * - `nowAt()` converts a recent `monotonic()` reading to `now()`, to save a second reading.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
  nowAt(monotonic: number): number;
}

/** Follows the database's clock. Counts on with the monotonic clock: steps of this node's wall clock change no verdict. */
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

  /** Adopts a reading of the reference clock. @param measuredAt monotonic time of that reading */
  synchronize(reference: number, measuredAt: number): void {
    this.base = reference;
    this.measuredAt = measuredAt;
  }
}
