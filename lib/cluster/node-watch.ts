import type { Clock } from '../ports/clock.js';
import type { NodeRow } from '../ports/node-registry.js';

interface Sighting {
  readonly poll: number;
  readonly silenceMs: number;
  /** Monotonic time at which this number was known here first. */
  readonly since: number;
  readonly hasMoved: boolean;
}

/**
 * Tells which nodes are silent. Each writes the number of its poll into its row. One whose number has stood still for its
 * silence time uses no copy: the poll of that number began before the number was seen here. Only this node's monotonic clock
 * is looked at, so it does not matter how the clocks of the database and of other machines are set.
 */
export class NodeWatch {
  private readonly sightings = new Map<string, Sighting>();

  /** @param silenceMs of this node */
  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly silenceMs: number,
  ) {}

  /** To be called when rows have been read. The time at which they were asked for is too early: a row may have been written since. */
  note(rows: readonly NodeRow[]): void {
    const since = this.clock.monotonic();
    for (const { id, poll, silenceMs } of rows) {
      const seen = this.sightings.get(id);
      // Answers may overtake each other; numbers only grow.
      if (seen && poll <= seen.poll) continue;
      this.sightings.set(id, { poll, silenceMs, since, hasMoved: seen !== undefined });
    }
  }

  /** Forgets all other nodes. */
  keep(rows: readonly NodeRow[]): void {
    const ids = new Set(rows.map(({ id }) => id));
    for (const id of this.sightings.keys()) if (!ids.has(id)) this.sightings.delete(id);
  }

  /** Tells if a node has polled since it was first seen. */
  hasMoved({ id }: NodeRow): boolean {
    return this.sightings.get(id)?.hasMoved ?? false;
  }

  /** For how long the number of a node has stood still. Milliseconds. */
  stillFor({ id }: NodeRow): number {
    const seen = this.sightings.get(id);
    return seen ? this.clock.monotonic() - seen.since : 0;
  }

  /** Milliseconds until a node is silent, should it not be heard of any more; 0 if it is. */
  untilSilent(row: NodeRow): number {
    const silenceMs = this.sightings.get(row.id)?.silenceMs ?? this.silenceMs;
    return Math.max(0, silenceMs - this.stillFor(row));
  }

  isSilent(row: NodeRow): boolean {
    return this.untilSilent(row) === 0;
  }

  /** The longest silence time of this node and the others. Milliseconds. */
  get longestSilenceMs(): number {
    return Math.max(this.silenceMs, ...Array.from(this.sightings.values(), ({ silenceMs }) => silenceMs));
  }
}
