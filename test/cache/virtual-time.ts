import { jest } from '@jest/globals';
import { ManualClock } from '../../lib/testing/index.js';

export const START = 1_800_000_000_000;

/** The database's clock, the monotonic clock and the timers of this process, all moved by the test. */
export class VirtualTime {
  readonly clock = new ManualClock(START);

  constructor() {
    jest.useFakeTimers({ now: START, doNotFake: ['queueMicrotask', 'nextTick', 'setImmediate'] });
  }

  /** Lets so many milliseconds pass, and all that is due in them happen. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await jest.advanceTimersByTimeAsync(ms);
  }

  /** Lets all happen that waits for nothing but its turn. */
  settle(): Promise<void> {
    return this.pass(0);
  }

  async outcome(work: Promise<unknown>): Promise<unknown> {
    let outcome: unknown = 'waiting';
    work.then(
      (value) => (outcome = value ?? 'done'),
      (error: unknown) => (outcome = error),
    );
    await this.settle();
    return outcome;
  }

  end(): void {
    jest.useRealTimers();
  }
}
