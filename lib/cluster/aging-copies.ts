import type { Clock } from '../ports/clock.js';

/** Most sessions tracked; others are read on demand once their copy has expired. */
const MAX_NOTED = 100_000;
/** Shares of the copy's lifetime between which it is refreshed, spread so that nodes do not refresh together. */
const SOONEST = 0.6;
const LATEST = 0.8;

/** Tracks copies in use that expire soon, so that they are refreshed in batches before a request has to wait. */
export class AgingCopies {
  private noted = new Set<string>();

  /** @param copyAgeMs age at which a copy expires */
  constructor(
    private readonly copyAgeMs: number,
    private readonly clock: Clock,
  ) {}

  /** Returns the monotonic times at which a copy ages and expires. @param readAt database time of the read */
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
