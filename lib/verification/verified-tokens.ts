import { hash } from 'node:crypto';
import type { Clock } from '../ports/clock.js';
import type { SessionRecord } from '../model/session.js';
import type { RememberedRecord, VerificationCache } from '../ports/verification-cache.js';
import type { VerificationStats } from './verification-stats.js';
import type { Verification } from '../model/verification.js';

/** A token that was found good, and for how long that holds by itself. */
export interface VerifiedToken {
  /** What it was judged by: the token is good only as long as that is what is remembered of its session. */
  readonly record: SessionRecord;
  /** Where the record is in this process's memory; null where it is not. */
  readonly remembered: RememberedRecord | null;
  readonly answer: Verification & { readonly status: 'VALID' };
  /** From here on it has to be judged again. Milliseconds since the epoch. */
  readonly until: number;
  /** When it was last found to count. Milliseconds since the epoch. */
  seenAt: number;
  /** When its last use was noted. Milliseconds since the epoch. */
  usedAt: number;
  /** When it was last noted that it was presented, and from where, as the request said. */
  presentedAt: number;
  presentedFrom: unknown;
  /** What the caller makes of the session, once for all requests. */
  view: unknown;
}

/** Keeps verified tokens by the hash of their text, as many as it likes. */
export interface VerifiedTokenStore {
  get(hash: string): VerifiedToken | undefined;
  set(hash: string, token: VerifiedToken): unknown;
}

export interface VerifiedTokensParts {
  readonly store: VerifiedTokenStore;
  readonly cache: Pick<VerificationCache, 'counts'>;
  readonly clock: Clock;
  readonly stats: VerificationStats;
  /** Longer text is no token, and is not hashed. */
  readonly maxLength: number;
  /** Uses of a token within this time of one that was noted are not noted again. Milliseconds. */
  readonly useIntervalMs: number;
}

/**
 * Tokens that were judged good by a record that is remembered, so that the next request with the same text costs one hash and
 * one look-up. Nothing is decided here: an entry counts only as long as its record does, and until the first moment at which
 * the verdict could be another one.
 */
export class VerifiedTokens {
  constructor(private readonly parts: VerifiedTokensParts) {}

  /** A token that is known to be good now, by this process's memory, or null if it has to be looked at. */
  get(text: unknown): VerifiedToken | null {
    const known = this.find(text);
    return known && this.countsInMemory(known) ? known : null;
  }

  /** What is known of a token, whether or not it still counts. @param from where the token begins in the text */
  find(text: unknown, from = 0): VerifiedToken | null {
    const { maxLength, store } = this.parts;
    if (typeof text !== 'string' || text.length - from > maxLength) return null;
    return store.get(keyOf(text, from)) ?? null;
  }

  /** Whether a token is good by what this process remembers. */
  countsInMemory(known: VerifiedToken): boolean {
    const { cache, clock, stats } = this.parts;
    const at = clock.monotonic();
    known.seenAt = clock.nowAt(at);
    if (!known.remembered || known.seenAt >= known.until || !cache.counts(known.remembered, at)) return false;
    stats.fromMemory++;
    return true;
  }

  /** Whether a token is good by what the nodes remember of its session in common. @param found that, as it is now */
  countsInCommon(known: VerifiedToken, found: unknown): boolean {
    known.seenAt = this.parts.clock.now();
    return found === known.record && known.seenAt < known.until;
  }

  /** Whether the use of a token that was just found to count is to be noted; if not, one from there just before it was. */
  isUseDue({ seenAt, usedAt, presentedFrom }: VerifiedToken, from: unknown): boolean {
    return seenAt - usedAt >= this.parts.useIntervalMs || from !== presentedFrom;
  }

  /**
   * That it was presented is noted, unless it just was.
   * @param counts whether that is a use
   * @returns whether there is anything to note
   */
  markPresented(known: VerifiedToken, from: unknown, counts: boolean): boolean {
    const { seenAt, presentedAt, presentedFrom } = known;
    if (!counts && seenAt - presentedAt < this.parts.useIntervalMs && from === presentedFrom) return false;
    if (counts) known.usedAt = seenAt;
    known.presentedAt = seenAt;
    known.presentedFrom = from;
    return true;
  }

  /** Notes a token that was judged good by a record that is remembered. */
  note(text: string, token: Pick<VerifiedToken, 'record' | 'remembered' | 'answer' | 'until'>): void {
    const { record, remembered, answer, until } = token;
    if (until <= this.parts.clock.now()) return;
    // One by one: V8 may give each object that is made by a spread a hidden class of its own, and what reads many of those
    // has to look for every property.
    const noted: VerifiedToken = {
      record,
      remembered,
      answer,
      until,
      seenAt: -Infinity,
      usedAt: -Infinity,
      presentedAt: -Infinity,
      presentedFrom: null,
      view: null,
    };
    this.parts.store.set(keyOf(text), noted);
  }
}

/** SHA-256 of the whole token, whatever the format knows it by, in what form is least work: nobody reads it. */
function keyOf(text: string, from = 0): string {
  return hash('sha256', text.slice(from), 'binary');
}
