import type { Clock } from '../ports/clock.js';
import type { CommitsLost, EndsCheck, KnownScope, Restored } from '../ports/known-changes.js';
import type { ChangeEnd } from '../ports/node-registry.js';
import { RecentMap } from './recent-changes.js';

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

  /** Has the database end again what it has live after its end. */
  async restore(scopes: readonly KnownScope[]): Promise<Restored & { readonly isLoss: boolean }> {
    const { check, clock, keepMs } = this.parts;
    const restored = await check.restore({ ends: this.ends.entries(), scopes });
    const { changes, missing, lostChanges } = restored;
    this.rewritten += changes.length;
    const isLoss = changes.length + restored.scopes.length + lostChanges > 0;
    const isComplete = clock.monotonic() - this.ends.overflowedAt >= keepMs;
    const rewrittenMassEnds = restored.scopes.length;
    if (isLoss) check.report({ rewritten: changes.length, rewrittenMassEnds, missing, lostChanges, isComplete });
    return { ...restored, isLoss };
  }
}

/** For the log. */
export function describeLoss({ rewritten, rewrittenMassEnds, missing, lostChanges, isComplete }: CommitsLost): string {
  const more = isComplete ? '' : ' More sessions ended lately than this server remembers, so there may be others.';
  return (
    `The database has lost commits, as a fail-over may do. Sessions that were live again after their end: ${rewritten}; ends of all ` +
    `sessions of a user or of the realm: ${rewrittenMassEnds}. They have been ended again. Sessions that ended lately and are not there: ` +
    `${missing}; users whose last change, such as a ban, is lost: ${lostChanges}.${more}`
  );
}
