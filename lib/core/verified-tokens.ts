import { hash } from 'node:crypto';
import type { Clock } from './clock.js';
import type { Session, SessionRecord } from './session.js';
import type { VerificationCache } from './verification-cache.js';

/** A token that was found good, and for how long that holds by itself. */
export interface VerifiedToken {
  /** What it was judged by: the token is good only while this very object is what the cache remembers of the session. */
  readonly record: SessionRecord;
  readonly session: Session;
  /** From here on it has to be judged again. Milliseconds since the epoch. */
  readonly until: number;
}

/** Keeps verified tokens by the hash of their text, as many as it likes. */
export interface VerifiedTokenStore {
  get(hash: string): VerifiedToken | undefined;
  set(hash: string, token: VerifiedToken): unknown;
}

/**
 * Tokens that were judged good by a record in this process's memory, so that the next request with the same text costs one
 * hash and two look-ups. Nothing is decided here: an entry counts only as long as the cache still answers with the record
 * that it was judged by, and until the first moment at which the verdict could be another one.
 */
export class VerifiedTokens {
  constructor(
    private readonly store: VerifiedTokenStore,
    private readonly cache: Pick<VerificationCache, 'get'>,
    private readonly clock: Clock,
  ) {}

  /** The session of a token that is known to be good now, or null if it has to be looked at. */
  get(text: string): Session | null {
    const known = this.store.get(keyOf(text));
    if (!known || this.clock.now() >= known.until) return null;
    return this.cache.get(known.record.id) === known.record ? known.session : null;
  }

  /** Notes a token that was judged good by a record of the cache. */
  note(text: string, token: VerifiedToken): void {
    if (token.until > this.clock.now()) this.store.set(keyOf(text), token);
  }
}

/** Of the whole text, whatever the format knows a token by. */
function keyOf(text: string): string {
  return hash('sha256', text, 'base64url');
}
