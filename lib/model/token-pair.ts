/**
 * One generation of a session's tokens, as it is stored: hashes, times, and the names of the keys that they were made
 * with. Times are integer milliseconds since the epoch.
 */
export interface TokenPair {
  /** 1 for the tokens that login gave, one more with every successor. */
  readonly generation: number;
  /** Name of the application's key that the tokens of this generation were made with. */
  readonly keyId: string;
  /** Name of the key that signed the access token, where it is a JWT. */
  readonly signingKeyId: string | null;
  readonly issuedAt: number;
  /** SHA-256 of what proves the access token, 64 hex digits. */
  readonly accessHash: string;
  readonly accessExpiresAt: number;
  /** Null for a session without refresh token. */
  readonly refreshHash: string | null;
  readonly refreshExpiresAt: number | null;
}

/** A generation that a successor has taken over from. */
export interface SupersededPair extends TokenPair {
  /** From here on its tokens are refused; null until the successor is used for the first time. */
  readonly graceUntil: number | null;
}

/** How long tokens and their session live, in milliseconds, and what renews them. */
export interface TokenLives {
  readonly accessMs: number;
  /** Life of a refresh token that is not used; null where there are none. */
  readonly refreshMs: number | null;
  /** A use of the access token renews it when less than this is left; null where it does not. */
  readonly renewWithinMs: number | null;
  /** How long a superseded token goes on working. */
  readonly graceMs: number;
  /** Grace is counted from here. */
  readonly graceFrom: GraceFrom;
  /** The absolute end of a session, counted from its login. */
  readonly maxAgeMs: number;
}

/**
 * - `first-use` of the successor: a reply that got lost logs nobody out, since until then the old token still answers
 * - `issue` of the successor: the strict choice
 */
export type GraceFrom = 'first-use' | 'issue';

/** Most superseded generations that are remembered in grace at once. */
export const MAX_SUPERSEDED = 8;

/** Whether a generation may still be used at all, apart from the own end of each of its tokens. */
export function isInGrace(pair: TokenPair | SupersededPair, now: number): boolean {
  return !('graceUntil' in pair) || pair.graceUntil === null || now < pair.graceUntil;
}

/** From when on no token of the generation can be accepted. */
export function lastUse(pair: TokenPair): number {
  return Math.max(pair.accessExpiresAt, pair.refreshExpiresAt ?? 0);
}

/** A token that carries a right MAC: this application made it, which says nothing yet about the session's state. */
export interface ParsedToken {
  /** 32 hex digits. */
  readonly sessionId: string;
  /** Which token of the session this is: 1 for the one that login gave, one more with every successor. */
  readonly generation: number;
  /** SHA-256 of the token's text, 64 hex digits: what the database stores. */
  readonly hash: string;
}
