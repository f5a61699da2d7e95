import { Lane } from './lane.js';

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
