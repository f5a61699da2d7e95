import type { AccessTokenFormatFactory } from './access-token-format.js';
import { type Duration, parseDuration } from '../model/timing.js';
import { type FieldsOf, checkOptions } from '../model/checked-input.js';
import { invalidOption } from '../model/session-error.js';
import type { GraceFrom, TokenLives } from '../model/token-pair.js';

/** How tokens live, and what renews them. Made by fixed, sliding, accessAndRefresh or jwt. */
export interface TokenMode extends TokenLives {
  readonly name: 'fixed' | 'sliding' | 'refresh' | 'jwt';
  /** Format of access tokens; default opaque. */
  readonly accessFormat?: AccessTokenFormatFactory;
}

const DEFAULT_GRACE: Duration = '30s';

/**
 * One access token for each session, with a fixed life and no renewal.
 * @param options.ttl life of the token, default `2h`
 * @param options.maxAge life of the session, default `90d`; a token never outlives its session
 * @throws SessionError CONFIGURATION_INVALID for what makes no sense, as all of these functions do
 */
export function fixed(options: { ttl?: Duration; maxAge?: Duration } = {}): TokenMode {
  checkOptions(options, 'tokens.', { ttl: true, maxAge: true });
  const accessMs = parseDuration(options.ttl ?? '2h', 'tokens.ttl');
  return {
    name: 'fixed',
    accessMs,
    refreshMs: null,
    renewWithinMs: null,
    // Of tokens from before a change of the mode.
    graceMs: Math.min(parseDuration(DEFAULT_GRACE, 'tokens.grace'), accessMs),
    graceFrom: 'first-use',
    maxAgeMs: parseDuration(options.maxAge ?? '90d', 'tokens.maxAge'),
  };
}

/**
 * One access token that the server renews when it is used near its end; the answer carries the new one in a header.
 * @param options.ttl life of a token, default `2h`
 * @param options.renewWithin a use with less than this left renews, default `5m`
 * @param options.grace how long the old token goes on working from the first use of the new one, default `30s`
 * @param options.maxAge life of the session, which no renewal moves, default `90d`
 */
export function sliding(
  options: { ttl?: Duration; renewWithin?: Duration; grace?: Duration; graceFrom?: GraceFrom; maxAge?: Duration } = {},
): TokenMode {
  checkOptions(options, 'tokens.', { ttl: true, renewWithin: true, grace: true, graceFrom: true, maxAge: true });
  const accessMs = parseDuration(options.ttl ?? '2h', 'tokens.ttl');
  const renewWithinMs = parseDuration(options.renewWithin ?? '5m', 'tokens.renewWithin');
  if (renewWithinMs >= accessMs) throw invalidOption('tokens.renewWithin', 'must be shorter than tokens.ttl');
  return {
    name: 'sliding',
    accessMs,
    refreshMs: null,
    renewWithinMs,
    graceMs: checkGrace(parseDuration(options.grace ?? DEFAULT_GRACE, 'tokens.grace'), accessMs, 'tokens.ttl'),
    graceFrom: checkGraceFrom(options.graceFrom),
    maxAgeMs: parseDuration(options.maxAge ?? '90d', 'tokens.maxAge'),
  };
}

/** Options of accessAndRefresh, and part of those of jwt. */
export interface RefreshOptions {
  /** Life of an access token, default `30m`; each is up to 5 % shorter, so that clients do not all come back at once. */
  access?: Duration;
  /** Life of a refresh token that is not used, default `30d`. */
  refresh?: Duration;
  /**
   * How long a used refresh token still gives the same successor, default `30s`. `'0s'`: not at all; the second of two
   * uses is theft, and a reply that got lost ends the session.
   */
  grace?: Duration;
  /** Default `first-use`. */
  graceFrom?: GraceFrom;
  /** Life of the session, which no refresh moves, default `90d`. */
  maxAge?: Duration;
}

/** Names of the options of accessAndRefresh. */
export const REFRESH_FIELDS: FieldsOf<RefreshOptions> = {
  access: true,
  refresh: true,
  grace: true,
  graceFrom: true,
  maxAge: true,
};

/** A short access token, and a refresh token that gets the next pair. */
export function accessAndRefresh(options: RefreshOptions = {}): TokenMode {
  checkOptions(options, 'tokens.', REFRESH_FIELDS);
  const accessMs = parseDuration(options.access ?? '30m', 'tokens.access');
  const refreshMs = parseDuration(options.refresh ?? '30d', 'tokens.refresh');
  if (refreshMs < accessMs) throw invalidOption('tokens.refresh', 'must not be shorter than tokens.access');
  const grace = options.grace ?? DEFAULT_GRACE;
  const graceMs = isZero(grace) ? 0 : parseDuration(grace, 'tokens.grace');
  return {
    name: 'refresh',
    accessMs,
    refreshMs,
    renewWithinMs: null,
    graceMs: checkGrace(graceMs, accessMs, 'tokens.access'),
    graceFrom: graceMs === 0 ? 'issue' : checkGraceFrom(options.graceFrom),
    maxAgeMs: parseDuration(options.maxAge ?? '90d', 'tokens.maxAge'),
  };
}

/** Checks that a value is a mode that one of the functions above made, as far as that can be told. */
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

function isZero(value: unknown): boolean {
  return typeof value === 'string' && /^0+(\.0+)?(ms|s|m|h|d)$/.test(value);
}

function checkGrace(graceMs: number, accessMs: number, life: string): number {
  if (graceMs > accessMs) throw invalidOption('tokens.grace', `must not be longer than ${life}`);
  return graceMs;
}

function checkGraceFrom(value: GraceFrom = 'first-use'): GraceFrom {
  if (value !== 'first-use' && value !== 'issue') throw invalidOption('tokens.graceFrom', 'must be first-use or issue');
  return value;
}
