import type { Clock } from '../ports/clock.js';
import type { NodeRow } from '../ports/node-registry.js';

interface Sighting {
  readonly poll: number;
  readonly silenceMs: number;
  /** Monotonic time at which this number was first seen here. */
  readonly since: number;
  readonly hasMoved: boolean;
}

/** A node whose poll number has stood still for its silence time uses no copy: that poll began before it was seen here. */
export class NodeWatch {
  private readonly sightings = new Map<string, Sighting>();

  /** @param silenceMs silence time of this node */
  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly silenceMs: number,
  ) {}

  /** Call once rows have been read. The time of the request would be too early: a row may have been written since. */
  note(rows: readonly NodeRow[]): void {
    const since = this.clock.monotonic();
    for (const { id, poll, silenceMs } of rows) {
      const seen = this.sightings.get(id);
      // Answers may arrive out of order; numbers only grow.
      if (seen && poll <= seen.poll) continue;
      this.sightings.set(id, { poll, silenceMs, since, hasMoved: seen !== undefined });
    }
  }

  keep(rows: readonly NodeRow[]): void {
    const ids = new Set(rows.map(({ id }) => id));
    for (const id of this.sightings.keys()) if (!ids.has(id)) this.sightings.delete(id);
  }

  hasMoved({ id }: NodeRow): boolean {
    return this.sightings.get(id)?.hasMoved ?? false;
  }

  /** Milliseconds for which the number of a node has stood still. */
  stillFor({ id }: NodeRow): number {
    const seen = this.sightings.get(id);
    return seen ? this.clock.monotonic() - seen.since : 0;
  }

  /** Milliseconds until a node counts as silent if it stays quiet; 0 if it already does. */
  untilSilent(row: NodeRow): number {
    const silenceMs = this.sightings.get(row.id)?.silenceMs ?? this.silenceMs;
    return Math.max(0, silenceMs - this.stillFor(row));
  }

  isSilent(row: NodeRow): boolean {
    return this.untilSilent(row) === 0;
  }

  get longestSilenceMs(): number {
    return Math.max(this.silenceMs, ...Array.from(this.sightings.values(), ({ silenceMs }) => silenceMs));
  }
}
