import { type FieldsOf, checkNested, checkOptions } from '../model/checked-input.js';
import { invalidArgument, invalidOption } from '../model/session-error.js';
import { type LifeRules, type OwnLife, leastIdleMs } from '../model/session-life.js';
import { A_DURATION, type Duration, durationText, readDuration } from '../model/timing.js';
import type { TokenLives } from '../model/token-pair.js';

/** Lives of one login, each in the place of the module's. None may be longer, unless the module's option `allowLongerLife` is set. */
export interface SessionLife {
  /** Absolute lifetime of the session, which nothing extends. At most the `maxAge` of the module's tokens. */
  readonly maxAge?: Duration;
  /** Ends the session when it was not used for this long. At least three times `timing.activityFlush`. */
  readonly idleTimeout?: Duration;
  /** Lifetime of an unused refresh token, in modes that have them. Not shorter than an access token's. */
  readonly refresh?: Duration;
}

/** Lives of one login in milliseconds; null for those of the module. */
export interface CheckedLife extends OwnLife {
  readonly maxAgeMs: number | null;
}

/** Bounds that the lives of a login are checked against. */
export interface LifeLimits extends LifeRules {
  readonly mode: TokenLives;
  /** Milliseconds. */
  readonly activityFlushMs: number;
}

type Refuse = (problem: string) => Error;

const FIELDS: FieldsOf<SessionLife> = { maxAge: true, idleTimeout: true, refresh: true };

/** Checks the option `life` of a login. @throws SessionError ARGUMENT_INVALID */
export function checkLife(life: unknown, limits: LifeLimits): CheckedLife {
  if (life !== undefined) checkNested(life, 'life', FIELDS);
  return read(life ?? {}, limits, (name) => (problem) => invalidArgument(`life.${name}`, problem));
}

/** Checks the life that a policy function gave. @throws SessionError CONFIGURATION_INVALID */
export function checkPolicyLife(life: unknown, limits: LifeLimits): CheckedLife {
  if (life !== undefined) checkOptions(life, 'policy.life.', FIELDS);
  return read(life ?? {}, limits, (name) => (problem) => invalidOption(`policy.life.${name}`, problem));
}

/** Picks the shorter life of each kind. */
export function shorterLife(a: CheckedLife, b: CheckedLife): CheckedLife {
  const shorter = (name: keyof CheckedLife) => {
    const given = [a[name], b[name]].filter((ms) => ms !== null);
    return given.length === 0 ? null : Math.min(...given);
  };
  return { maxAgeMs: shorter('maxAgeMs'), idleMs: shorter('idleMs'), refreshMs: shorter('refreshMs') };
}

function read(life: SessionLife, limits: LifeLimits, refuse: (name: keyof SessionLife) => Refuse): CheckedLife {
  const { mode, idleMs, allowLongerLife, activityFlushMs } = limits;
  const most = (ms: number | null) => (allowLongerLife ? null : ms);
  const [maxAge, idleTimeout, refresh] = (['maxAge', 'idleTimeout', 'refresh'] as const).map(refuse);
  const checked = {
    maxAgeMs: lifeOf(life.maxAge, most(mode.maxAgeMs), 'tokens.maxAge', maxAge!),
    idleMs: lifeOf(life.idleTimeout, most(idleMs), 'idleTimeout', idleTimeout!),
    refreshMs: lifeOf(life.refresh, most(mode.refreshMs), 'tokens.refresh', refresh!),
  };
  const leastIdle = leastIdleMs(activityFlushMs);
  if (checked.idleMs !== null && checked.idleMs < leastIdle) {
    throw idleTimeout!(`must be at least ${durationText(leastIdle)}, three times timing.activityFlush`);
  }
  if (checked.refreshMs === null) return checked;
  if (mode.refreshMs === null) throw refresh!('must be left out: the token mode of the module has no refresh tokens');
  if (checked.refreshMs < mode.accessMs) {
    throw refresh!(`must be at least ${durationText(mode.accessMs)}, the lifetime of an access token`);
  }
  return checked;
}

/** @param mostMs longest life; null for none */
function lifeOf(value: unknown, mostMs: number | null, option: string, refuse: Refuse): number | null {
  if (value === undefined) return null;
  const ms = readDuration(value);
  if (ms === null) throw refuse(A_DURATION);
  if (mostMs === null || ms <= mostMs) return ms;
  throw refuse(`must be at most ${durationText(mostMs)}, as ${option} says, unless allowLongerLife is set`);
}
