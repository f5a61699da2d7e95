/** Sources of verdicts. `none` is for text that is not one of our tokens. */
export const VERIFICATION_SOURCES = ['memory', 'shared', 'database', 'none'] as const;

export type VerificationSource = (typeof VERIFICATION_SOURCES)[number];

export type VerificationStatus = 'VALID' | 'INVALID' | 'UNKNOWN';

/** Receives each verification that this node's memory could not answer. */
export type VerificationObserver = (source: VerificationSource, status: VerificationStatus, millis: number) => void;

/** Counts verifications in plain numbers, so that counting does not cost what it measures. */
export class VerificationStats {
  /** Cache hits, answered synchronously; all VALID. */
  fromMemory = 0;
  /** Null if times are not measured. */
  observer: VerificationObserver | null = null;
  private readonly counts = Object.fromEntries(
    VERIFICATION_SOURCES.map((source) => [source, { VALID: 0, INVALID: 0, UNKNOWN: 0 }]),
  ) as Record<VerificationSource, Record<VerificationStatus, number>>;

  /** @param millis duration; 0 without I/O @returns `result` */
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
