import { type Duration, parseDuration } from './duration.js';

/** How long tokens live. Milliseconds. */
export interface TokenLifetimes {
  readonly accessMs: number;
  /** The absolute end of a session, counted from its login. */
  readonly maxAgeMs: number;
}

/**
 * One access token for each session, with a fixed life and no renewal.
 * @param options.ttl life of the token, default `2h`
 * @param options.maxAge life of the session, default `90d`; a token never outlives its session
 * @throws SessionError CONFIGURATION_INVALID
 */
export function fixed(options: { ttl?: Duration; maxAge?: Duration } = {}): TokenLifetimes {
  return {
    accessMs: parseDuration(options.ttl ?? '2h', 'tokens.ttl'),
    maxAgeMs: parseDuration(options.maxAge ?? '90d', 'tokens.maxAge'),
  };
}
