import { hash } from 'node:crypto';
import type { Clock } from './clock.js';
import type { Session } from './session.js';
import type { RememberedRecord, VerificationCache } from './verification-cache.js';
import type { VerificationStats } from './verification-stats.js';

/** A token that was found good, and for how long that holds by itself. */
export interface VerifiedToken {
  /** What it was judged by: the token is good only as long as the cache stands by it. */
  readonly remembered: RememberedRecord;
  readonly session: Session;
  /** From here on it has to be judged again. Milliseconds since the epoch. */
  readonly until: number;
  /** When its last use was noted. Milliseconds since the epoch. */
  notedAt: number;
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
 * Tokens that were judged good by a record in this process's memory, so that the next request with the same text costs one
 * hash and one look-up. Nothing is decided here: an entry counts only as long as the cache stands by the record that it was
 * judged by, and until the first moment at which the verdict could be another one.
 */
export class VerifiedTokens {
  constructor(private readonly parts: VerifiedTokensParts) {}

  /** A token that is known to be good now, or null if it has to be looked at. */
  get(text: unknown): VerifiedToken | null {
    const { cache, clock, maxLength, stats, store } = this.parts;
    if (typeof text !== 'string' || text.length > maxLength) return null;
    const known = store.get(keyOf(text));
    if (!known || clock.now() >= known.until || !cache.counts(known.remembered)) return null;
    stats.fromMemory++;
    return known;
  }

  /** Whether a use of the token is to be noted, rather than one just before it. */
  isUseDue(known: VerifiedToken): boolean {
    const now = this.parts.clock.now();
    if (now - known.notedAt < this.parts.useIntervalMs) return false;
    known.notedAt = now;
    return true;
  }

  /** Notes a token that was judged good by what the cache remembers. */
  note(text: string, token: Pick<VerifiedToken, 'remembered' | 'session' | 'until'>): void {
    if (token.until <= this.parts.clock.now()) return;
    this.parts.store.set(keyOf(text), { ...token, notedAt: -Infinity, view: null });
  }
}

/** Of the whole text, whatever the format knows a token by. */
function keyOf(text: string): string {
  return hash('sha256', text, 'base64url');
}
