import type { Clock } from '../ports/clock.js';

/** A clock that stands still until a test moves it. Its monotonic side is real, so that timeouts work as ever. */
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

  /** Moves on by so many milliseconds. */
  advance(ms: number): void {
    this.time += ms;
  }
}
