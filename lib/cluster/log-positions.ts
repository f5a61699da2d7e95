import type { LogPosition } from '../ports/node-registry.js';

/** Positions that are remembered until what was visible at them may be purged. */
const POSITIONS = 16;

/** Positions in the change log that this node has reached. Times are monotonic milliseconds. */
export class LogPositions {
  /** The last one; null if all of the log has to be read. */
  latest: LogPosition | null = null;
  private earlier: { readonly at: number; readonly position: LogPosition }[] = [];

  /** @param position null to purge by no earlier one either: a clock that was set may have made it */
  note(position: LogPosition | null, now: number, keepMs: number): void {
    const last = this.earlier.at(-1);
    this.latest = position;
    if (position === null) this.earlier = [];
    else if (last && position.server !== last.position.server) this.earlier = [{ at: now, position }];
    else if (!last || now - last.at >= keepMs / POSITIONS) this.earlier.push({ at: now, position });
    while (this.earlier.length > 1 && this.earlier[1]!.at < now - keepMs) this.earlier.shift();
  }

  /** The latest one from before a time; null for none. */
  before(time: number): LogPosition | null {
    return this.earlier.findLast(({ at }) => at < time)?.position ?? null;
  }
}
