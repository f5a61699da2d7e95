import type { AccessTokenFormat } from './access-token-format.js';
import { type Duration, parseDuration } from '../model/timing.js';
import { type FieldsOf, checkOptions } from '../model/checked-input.js';
import { invalidOption } from '../model/session-error.js';
import type { GraceFrom, TokenLives } from '../model/token-pair.js';

/** Lifetimes and renewal of tokens. Made by fixed, sliding, accessAndRefresh or jwt. */
export interface TokenMode extends TokenLives {
  readonly name: 'fixed' | 'sliding' | 'refresh' | 'jwt';
  /** Returns the format of access tokens, so that logged options contain no keys. Default: opaque. */
  readonly accessFormat?: () => AccessTokenFormat;
}

/**
 * Issues one access token per session, with a fixed lifetime and no renewal.
 * @param options.ttl lifetime of the token, default `2h`
 * @param options.maxAge lifetime of the session, default `90d`; tokens never outlive it
 * @throws SessionError CONFIGURATION_INVALID for malformed or contradictory durations
 */
export function fixed(options: { ttl?: Duration; maxAge?: Duration } = {}): TokenMode {
  checkOptions(options, 'tokens.', { ttl: true, maxAge: true });
  const accessMs = parseDuration(options.ttl ?? '2h', 'tokens.ttl');
  // The grace is for tokens from before a change of mode.
  const grace = accessMs < 30_000 ? options.ttl : undefined;
  return modeOf({ name: 'fixed', accessMs, refreshMs: null, renewWithinMs: null }, 'ttl', { ...options, grace });
}

/**
 * Issues one access token, which the server renews when it is used near its expiry. The response carries the new one in
 * the header `X-Renewed-Token`.
 * @param options.ttl lifetime of a token, default `2h`
 * @param options.renewWithin renews on a use with less than this left, default `5m`
 * @param options.grace how long the old token works after the first use of the new one, default `30s`
 * @param options.maxAge lifetime of the session, which renewal does not extend, default `90d`
 * @throws SessionError CONFIGURATION_INVALID for malformed or contradictory durations
 */
export function sliding(options: { ttl?: Duration; renewWithin?: Duration } & CommonOptions = {}): TokenMode {
  checkOptions(options, 'tokens.', { ttl: true, renewWithin: true, ...SHARED_FIELDS });
  const accessMs = parseDuration(options.ttl ?? '2h', 'tokens.ttl');
  const renewWithinMs = parseDuration(options.renewWithin ?? '5m', 'tokens.renewWithin');
  if (renewWithinMs >= accessMs) throw invalidOption('tokens.renewWithin', 'must be shorter than tokens.ttl');
  return modeOf({ name: 'sliding', accessMs, refreshMs: null, renewWithinMs }, 'ttl', options);
}

type CommonOptions = Pick<RefreshOptions, 'grace' | 'graceFrom' | 'maxAge'>;

/** Options of accessAndRefresh, and part of those of jwt. */
export interface RefreshOptions {
  /** Lifetime of an access token, default `30m`. Each is up to 5 % shorter, so that clients do not refresh in lockstep. */
  access?: Duration;
  /** Lifetime of an unused refresh token, default `30d`. */
  refresh?: Duration;
  /**
   * How long a used refresh token returns the same successor, default `30s`. With `'0s'` every second use counts as
   * theft, and a lost response ends the session.
   */
  grace?: Duration;
  /** Start of the grace period. Default: `first-use`. */
  graceFrom?: GraceFrom;
  /** Lifetime of the session, which refreshing does not extend, default `90d`. */
  maxAge?: Duration;
}

const SHARED_FIELDS: FieldsOf<CommonOptions> = { grace: true, graceFrom: true, maxAge: true };
export const REFRESH_FIELDS: FieldsOf<RefreshOptions> = { access: true, refresh: true, ...SHARED_FIELDS };

/**
 * Issues a short-lived access token, and a refresh token for the next pair.
 * @throws SessionError CONFIGURATION_INVALID for malformed or contradictory durations
 */
export function accessAndRefresh(options: RefreshOptions = {}): TokenMode {
  checkOptions(options, 'tokens.', REFRESH_FIELDS);
  const accessMs = parseDuration(options.access ?? '30m', 'tokens.access');
  const refreshMs = parseDuration(options.refresh ?? '30d', 'tokens.refresh');
  if (refreshMs < accessMs) throw invalidOption('tokens.refresh', 'must not be shorter than tokens.access');
  return modeOf({ name: 'refresh', accessMs, refreshMs, renewWithinMs: null }, 'access', options);
}

/** Adds the grace period and the age of sessions. @param life option with the lifetime of access tokens */
function modeOf(
  mode: Pick<TokenMode, 'name' | 'accessMs' | 'refreshMs' | 'renewWithinMs'>,
  life: 'ttl' | 'access',
  { grace, graceFrom, maxAge }: CommonOptions,
): TokenMode {
  const isStrict = mode.refreshMs !== null && /^0+(\.0+)?(ms|s|m|h|d)$/.test(String(grace));
  const graceMs = isStrict ? 0 : parseDuration(grace ?? '30s', 'tokens.grace');
  if (graceMs > mode.accessMs) throw invalidOption('tokens.grace', `must not be longer than tokens.${life}`);
  const from = isStrict ? 'issue' : (graceFrom ?? 'first-use');
  if (from !== 'first-use' && from !== 'issue') throw invalidOption('tokens.graceFrom', 'must be first-use or issue');
  return { ...mode, graceMs, graceFrom: from, maxAgeMs: parseDuration(maxAge ?? '90d', 'tokens.maxAge') };
}

/** Checks, as far as possible, that a value was made by one of the functions above. */
export function isTokenMode(value: unknown): value is TokenMode {
  const { name, accessMs, refreshMs, renewWithinMs, graceMs, maxAgeMs } = (value ?? {}) as Partial<TokenMode>;
  const isTime = (ms: unknown) => typeof ms === 'number' && Number.isFinite(ms) && ms > 0;
  return (
    ['fixed', 'sliding', 'refresh', 'jwt'].includes(name ?? '') &&
    isTime(accessMs) &&
    isTime(maxAgeMs) &&
    (refreshMs === null || isTime(refreshMs)) &&
    (renewWithinMs === null || isTime(renewWithinMs)) &&
    (graceMs === 0 || isTime(graceMs))
  );
}
