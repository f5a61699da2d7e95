import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports/clock.js';
import type { RememberedRecord, SharedRecord, VerificationCache } from '../ports/verification-cache.js';
import type { CopiedRecord } from '../model/session.js';
import type { Verification } from '../model/verification.js';

export type GoodAnswer = Verification & { readonly status: 'VALID' };

/** Presentation of a token. Properties may be getters: `activity` is read only when a use is recorded. */
export interface Presentation {
  /** Bypasses all caches. */
  readonly strict: boolean;
  /** Client address as the transport reports it. */
  readonly ip: unknown;
  /** Counts as a use of the session. */
  readonly activity: boolean;
  /** Renews a sliding token near its expiry. */
  readonly renew: boolean;
}

/** A VALID verdict. It holds as long as its record is the current copy of the session. */
export interface GoodVerdict {
  readonly record: CopiedRecord;
  /** Copy in the near cache, or null. */
  readonly remembered: RememberedRecord | null;
  readonly answer: GoodAnswer;
  /** Time from which the token must be judged again. Milliseconds since the epoch. */
  readonly until: number;
}

/** An authentic token with its last VALID verdict. Times are milliseconds since the epoch. */
export class KnownToken {
  readonly record: CopiedRecord | null;
  readonly remembered: RememberedRecord | null;
  readonly answer: GoodAnswer | null;
  readonly until: number;
  /** Last time that the verdict was confirmed. */
  seenAt = -Infinity;
  /** Last recorded use. */
  usedAt = -Infinity;
  /** Last recorded presentation, and its address. */
  presentedAt = -Infinity;
  presentedFrom: unknown = null;

  constructor(verdict: GoodVerdict | null) {
    this.record = verdict?.record ?? null;
    this.remembered = verdict?.remembered ?? null;
    this.answer = verdict?.answer ?? null;
    this.until = verdict?.until ?? -Infinity;
  }
}

/** Caches verified tokens by the hash of their text. A verdict counts only while its record is current. */
export class KnownTokens {
  private readonly tokens: LRUCache<string, KnownToken>;

  constructor(
    private readonly parts: {
      readonly cache: Pick<VerificationCache, 'counts'>;
      readonly clock: Clock;
      readonly maxEntries: number;
      /** Longest text of a token; longer text is not hashed. */
      readonly maxLength: number;
      /** Records at most one use of a token in this time. Milliseconds. */
      readonly useIntervalMs: number;
    },
  ) {
    this.tokens = new LRUCache({ max: parts.maxEntries });
  }

  find(text: unknown): KnownToken | null {
    if (typeof text !== 'string' || text.length > this.parts.maxLength) return null;
    return this.tokens.get(keyOf(text)) ?? null;
  }

  /** Returns the verdict if the near cache still has its record. */
  inMemory(known: KnownToken): GoodAnswer | null {
    const { cache, clock } = this.parts;
    const at = clock.monotonic();
    known.seenAt = clock.nowAt(at);
    return known.remembered && known.seenAt < known.until && cache.counts(known.remembered, at) ? known.answer : null;
  }

  /** Returns the verdict if its record is what the shared cache has just returned. */
  inCommon(known: KnownToken, found: SharedRecord): GoodAnswer | null {
    known.seenAt = this.parts.clock.now();
    return found === known.record && known.seenAt < known.until ? known.answer : null;
  }

  /** Marks a use of a valid token as recorded. Returns false if one from the same address was recorded a moment ago. */
  isNews(known: KnownToken, use: Presentation): boolean {
    const { useIntervalMs } = this.parts;
    const { seenAt } = known;
    const { ip } = use;
    const isElsewhere = ip !== known.presentedFrom;
    if (!isElsewhere && seenAt - known.usedAt < useIntervalMs) return false;
    const { activity } = use;
    if (!isElsewhere && !activity && seenAt - known.presentedAt < useIntervalMs) return false;
    if (activity) known.usedAt = seenAt;
    known.presentedAt = seenAt;
    known.presentedFrom = ip;
    return true;
  }

  /** @param verdict null for a token that is only known to be authentic */
  note(text: string, verdict: GoodVerdict | null): void {
    if (verdict && verdict.until <= this.parts.clock.now()) return;
    this.tokens.set(keyOf(text), new KnownToken(verdict));
  }
}

/** SHA-256 in the encoding that costs least, because it is only compared. */
function keyOf(text: string): string {
  return hash('sha256', text, 'binary');
}
