import type { Clock } from '../ports/clock.js';
import type { ChangeEnd, SessionChange } from '../ports/node-registry.js';
import { RecentMap } from './recent-changes.js';

/** What a database has lost of the ends that this node knows of. */
export interface CommitsLost {
  /** Sessions that were live again, and have been ended again. */
  readonly rewritten: number;
  /** Sessions of which there is no row. */
  readonly missing: number;
  /** False if more ended lately than this node remembers. */
  readonly isComplete: boolean;
}

/** What to do with known ends when the database may have lost commits. */
export interface EndsCheck {
  /**
   * Ends again those sessions that the database has live. Adds no session. @returns them, and how many the database
   * does not have at all
   */
  endAgain(ends: readonly (readonly [sessionId: string, end: ChangeEnd])[]): Promise<{
    readonly rewritten: readonly SessionChange[];
    readonly missing: number;
  }>;
  /** Called if there were any. */
  report(loss: CommitsLost): void;
}

/** Most ends that are remembered, in two generations. */
const MAX_ENDS = 100_000;

/**
 * Remembers the ends of the last `keepMs`, or twice that. Nothing lifts one: ids are never used again, and a database
 * that has a session live after its end has lost commits.
 */
export class FinalEnds {
  /** Sessions that were ended again, since the start. */
  rewritten = 0;
  private readonly ends: RecentMap<ChangeEnd>;

  constructor(
    private readonly parts: {
      readonly clock: Pick<Clock, 'monotonic'>;
      readonly keepMs: number;
      readonly check: EndsCheck;
      /** Default: 100,000. */
      readonly most?: number;
    },
  ) {
    const { keepMs, clock, most = MAX_ENDS } = parts;
    this.ends = new RecentMap(keepMs, most / 2, clock.monotonic());
  }

  add(sessionId: string, { reason, at, by }: ChangeEnd): void {
    if (!this.ends.get(sessionId)) this.ends.set(sessionId, { reason, at, by }, this.parts.clock.monotonic());
  }

  of(sessionId: string): ChangeEnd | null {
    return this.ends.get(sessionId) ?? null;
  }

  /** Has the database end again what it has live after its end. @returns the new versions, which every node is to know */
  async restore(): Promise<readonly SessionChange[]> {
    const { check, clock, keepMs } = this.parts;
    const ends = this.ends.entries();
    if (ends.length === 0) return [];
    const { rewritten, missing } = await check.endAgain(ends);
    this.rewritten += rewritten.length;
    const isComplete = clock.monotonic() - this.ends.overflowedAt >= keepMs;
    if (rewritten.length > 0) check.report({ rewritten: rewritten.length, missing, isComplete });
    return rewritten;
  }
}
