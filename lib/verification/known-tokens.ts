import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports/clock.js';
import type { RememberedRecord, SharedRecord, VerificationCache } from '../ports/verification-cache.js';
import type { SessionRecord } from '../model/session.js';
import type { Verification } from '../model/verification.js';

export type GoodAnswer = Verification & { readonly status: 'VALID' };

/** How a token is presented. Properties may be getters: `activity` is read only where a use is worth a note. */
export interface Presentation {
  /** Asks the database in any case. */
  readonly strict: boolean;
  /** The client's address as the transport gives it. */
  readonly ip: unknown;
  /** Counts as a use of the session. */
  readonly activity: boolean;
}

/** A good verdict on a token. It holds as long as its record is what is remembered of the session. */
export interface GoodVerdict {
  readonly record: SessionRecord;
  /** The record in the near cache; null where it is not there. */
  readonly remembered: RememberedRecord | null;
  readonly answer: GoodAnswer;
  /** Milliseconds since the epoch from which on the token has to be judged again. */
  readonly until: number;
}

/** A token that was made here, and the last good verdict on it. Times are milliseconds since the epoch. */
export class KnownToken {
  readonly record: SessionRecord | null;
  readonly remembered: RememberedRecord | null;
  readonly answer: GoodAnswer | null;
  readonly until: number;
  /** Last time at which the verdict was found to hold. */
  seenAt = -Infinity;
  /** Last use that was noted. */
  usedAt = -Infinity;
  /** Last presentation that was noted, and its address. */
  presentedAt = -Infinity;
  presentedFrom: unknown = null;

  constructor(verdict: GoodVerdict | null) {
    this.record = verdict?.record ?? null;
    this.remembered = verdict?.remembered ?? null;
    this.answer = verdict?.answer ?? null;
    this.until = verdict?.until ?? -Infinity;
  }
}

/**
 * Remembers tokens by the hash of their whole text: each was made here, which stays true, and may have a good verdict, so that
 * the next request with it costs one hash and one look-up. Decides nothing: a verdict counts only while its record does.
 */
export class KnownTokens {
  private readonly tokens: LRUCache<string, KnownToken>;

  constructor(
    private readonly parts: {
      readonly cache: Pick<VerificationCache, 'counts'>;
      readonly clock: Clock;
      readonly maxEntries: number;
      /** Longest text of a token; anything longer is not hashed. */
      readonly maxLength: number;
      /** Uses of a token within this time of a noted one are not noted again. Milliseconds. */
      readonly useIntervalMs: number;
    },
  ) {
    this.tokens = new LRUCache({ max: parts.maxEntries });
  }

  find(text: unknown): KnownToken | null {
    if (typeof text !== 'string' || text.length > this.parts.maxLength) return null;
    return this.tokens.get(keyOf(text)) ?? null;
  }

  /** The verdict, if the near cache still has its record. */
  inMemory(known: KnownToken): GoodAnswer | null {
    const { cache, clock } = this.parts;
    const at = clock.monotonic();
    known.seenAt = clock.nowAt(at);
    return known.remembered && known.seenAt < known.until && cache.counts(known.remembered, at) ? known.answer : null;
  }

  /** The verdict, if its record is what the nodes have just been found to remember in common. */
  inCommon(known: KnownToken, found: SharedRecord): GoodAnswer | null {
    known.seenAt = this.parts.clock.now();
    return found === known.record && known.seenAt < known.until ? known.answer : null;
  }

  /** Takes a use of a token that was just found good for noted. False if one from the same address was a moment ago. */
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

  /** @param verdict null for a token of which no more is known than that it was made here */
  note(text: string, verdict: GoodVerdict | null): void {
    if (verdict && verdict.until <= this.parts.clock.now()) return;
    this.tokens.set(keyOf(text), new KnownToken(verdict));
  }
}

/** SHA-256 in the encoding that is least work: it is only compared. */
function keyOf(text: string): string {
  return hash('sha256', text, 'binary');
}
