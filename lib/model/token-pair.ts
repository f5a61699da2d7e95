/** Part of a generation that access tokens are verified by. Times are integer milliseconds since the epoch. */
export interface CopiedPair {
  /** 1 for the tokens of the login; each successor adds one. */
  readonly generation: number;
  /** Name of the application secret that the tokens were made with. */
  readonly keyId: string;
  /** Name of the key that signed the access token if it is a JWT. */
  readonly signingKeyId: string | null;
  readonly issuedAt: number;
  /** SHA-256 of the part that proves the access token, 64 hex digits. */
  readonly accessHash: string;
  readonly accessExpiresAt: number;
  /** Null for a session without a refresh token. */
  readonly refreshExpiresAt: number | null;
}

/** One generation of a session's tokens as stored. */
export interface TokenPair extends CopiedPair {
  /** Null for a session without a refresh token. */
  readonly refreshHash: string | null;
}

/** A generation that has a successor. */
export type Superseded<Pair extends CopiedPair> = Pair & {
  /** End of the grace period; null until the successor is first used. */
  readonly graceUntil: number | null;
};

export type SupersededPair = Superseded<TokenPair>;

/** Lifetimes of tokens and sessions in milliseconds, and the rule of renewal. */
export interface TokenLives {
  readonly accessMs: number;
  /** Lifetime of an unused refresh token; null without refresh tokens. */
  readonly refreshMs: number | null;
  /** Renews an access token that is used with less than this left; null never renews. */
  readonly renewWithinMs: number | null;
  /** Grace period of a superseded token. */
  readonly graceMs: number;
  /** Start of the grace period. */
  readonly graceFrom: GraceFrom;
  /** Absolute lifetime of a session, counted from its login. */
  readonly maxAgeMs: number;
}

/**
 * - `first-use` of the successor: a lost response logs no one out, because the old token works until then
 * - `issue` of the successor: the strict choice
 */
export type GraceFrom = 'first-use' | 'issue';

/** Most superseded generations kept in grace at once. */
export const MAX_SUPERSEDED = 8;

/** Tells if a generation is current or in grace. The expiry of each of its tokens is checked separately. */
export function isInGrace(pair: CopiedPair | Superseded<CopiedPair>, now: number): boolean {
  return !('graceUntil' in pair) || pair.graceUntil === null || now < pair.graceUntil;
}

/** Time from which every token of the generation is expired. */
export function lastUse(pair: CopiedPair): number {
  return Math.max(pair.accessExpiresAt, pair.refreshExpiresAt ?? 0);
}

/** A token with a valid MAC: this application issued it. The state of its session is not known yet. */
export interface ParsedToken {
  /** 32 hex digits. */
  readonly sessionId: string;
  /** 1 for the token of the login; each successor adds one. */
  readonly generation: number;
  /** SHA-256 of the token, 64 hex digits, as the database stores it. */
  readonly hash: string;
}
