/** Sources of verdicts: `memory` of this process, what the nodes `shared`, the `database`; `none` for no token of ours. */
export const VERIFICATION_SOURCES = ['memory', 'shared', 'database', 'none'] as const;

export type VerificationSource = (typeof VERIFICATION_SOURCES)[number];

export type VerificationStatus = 'VALID' | 'INVALID' | 'UNKNOWN';

/** Hears of each verification that had to look further than this process's memory. */
export type VerificationObserver = (source: VerificationSource, status: VerificationStatus, millis: number) => void;

/** Counts verifications in plain numbers: counting must not cost what it measures. */
export class VerificationStats {
  /** Answered in the same turn, all of them VALID. */
  fromMemory = 0;
  /** Null if times are not wanted. */
  observer: VerificationObserver | null = null;
  private readonly counts = Object.fromEntries(
    VERIFICATION_SOURCES.map((source) => [source, { VALID: 0, INVALID: 0, UNKNOWN: 0 }]),
  ) as Record<VerificationSource, Record<VerificationStatus, number>>;

  /** @param millis how long it took; 0 for what needed no I/O. @returns what it was given */
  count<T extends { readonly status: VerificationStatus }>(source: VerificationSource, result: T, millis = 0): T {
    this.counts[source][result.status]++;
    if (millis > 0) this.observer?.(source, result.status, millis);
    return result;
  }

  /** Count since the start. */
  of(source: VerificationSource, status: VerificationStatus): number {
    const extra = source === 'memory' && status === 'VALID' ? this.fromMemory : 0;
    return this.counts[source][status] + extra;
  }
}
