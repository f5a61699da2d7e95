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
