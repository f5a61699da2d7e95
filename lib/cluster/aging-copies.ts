import type { Clock } from '../ports/clock.js';

/** Most sessions that are noted; a further one is read when its copy is too old. */
const MAX_NOTED = 100_000;
/** When a copy is read again, as shares of the age at which it is too old: spread, so that nodes do not all do it at once. */
const SOONEST = 0.6;
const LATEST = 0.8;

/** Which copies in use are soon too old, so that they can be read again in batches before a request would have to wait. */
export class AgingCopies {
  private noted = new Set<string>();

  /** @param copyAgeMs age from which on a copy is not used */
  constructor(
    private readonly copyAgeMs: number,
    private readonly clock: Clock,
  ) {}

  /** The monotonic times at which a copy ages and is gone. @param readAt database time of the read */
  timesOf(readAt: number): { readonly agesAt: number; readonly goneAt: number } {
    const age = Math.max(0, this.clock.now() - readAt);
    const bornAt = this.clock.monotonic() - age;
    const share = SOONEST + Math.random() * (LATEST - SOONEST);
    return { agesAt: bornAt + share * this.copyAgeMs, goneAt: bornAt + this.copyAgeMs };
  }

  note(sessionId: string): void {
    if (this.noted.size < MAX_NOTED) this.noted.add(sessionId);
  }

  take(): readonly string[] {
    const taken = [...this.noted];
    if (taken.length > 0) this.noted = new Set();
    return taken;
  }
}
