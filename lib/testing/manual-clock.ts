import type { Clock } from '../ports/clock.js';

/** Clock that stands still until a test moves it. Its monotonic side is real, so that time limits keep working. */
export class ManualClock implements Clock {
  /** @param time milliseconds since the epoch */
  constructor(private time: number) {}

  now(): number {
    return this.time;
  }

  nowAt(): number {
    return this.time;
  }

  monotonic(): number {
    return performance.now();
  }

  /** Moves the clock forward. */
  advance(ms: number): void {
    this.time += ms;
  }
}
