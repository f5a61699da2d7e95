import { checkOptions } from './checked-input.js';
import { invalidOption, SessionError } from './session-error.js';

/** Intervals and budgets that the parts of the library agree on. Field initialisers are the defaults. */
export class TimingOptions {
  /** Interval at which a node reads the change log and renews its entry in the node registry. */
  poll?: Duration = '500ms';
  /** Stops using caches this long after the last successful poll. Bounds how late an end reaches a node. */
  pollFreshness?: Duration = '2s';
  /** Discards a cached copy at this age. */
  copyAge?: Duration = '5m';
  /**
   * How long caches answer while the database cannot. Ends and boots wait as long for a killed node, so the default is
   * `'15s'` with `redis` and `pollFreshness` without. Embedded databases use `pollFreshness` in any case.
   */
  outageGrace?: Duration = undefined;
  /** Time limit of a verification; its result is UNKNOWN afterwards. */
  verifyBudget?: Duration = '1s';
  /** Time limit of a login. */
  loginBudget?: Duration = '5s';
  /** Time limit of an end or a list. */
  endBudget?: Duration = '5s';
  /** Interval at which uses of sessions are written. */
  activityFlush?: Duration = '10s';
  /** Suppresses repeated sightings of one session at one address for this long. */
  sightingInterval?: Duration = '5m';
  /**
   * Interval at which overdue sessions are ended, and rows closed that a killed node has left. Half of it, and at most 15 s, is how
   * long such a node holds them up.
   */
  sweep?: Duration = '30s';
  /** Tells the holder of an ended session's token the reason for this long. */
  endReasonTtl?: Duration = '7d';
}

/** TimingOptions in milliseconds. */
export type Timing = Readonly<Record<keyof TimingOptions, number>>;

/** @throws SessionError CONFIGURATION_INVALID for unknown names, malformed durations, and contradictory times */
export function resolveTiming(options: TimingOptions = {}, hasRedis = false): Timing {
  const defaults = new TimingOptions();
  checkOptions(options, 'timing.', defaults);
  defaults.outageGrace = hasRedis ? '15s' : (options.pollFreshness ?? defaults.pollFreshness!);
  const names = Object.keys(defaults) as (keyof TimingOptions)[];
  const times = names.map((name) => [name, parseDuration(options[name] ?? defaults[name], `timing.${name}`)]);
  const timing = Object.fromEntries(times) as Timing;
  if (timing.pollFreshness < 2 * timing.poll) {
    throw invalidOption('timing.pollFreshness', 'must be at least twice timing.poll, or caches are never fresh');
  }
  if (timing.copyAge < timing.pollFreshness) {
    throw invalidOption('timing.copyAge', 'must be at least timing.pollFreshness');
  }
  return timing;
}

/** Interval at which open sockets and streams are checked. Half of D, so that one whose session has ended closes within D. */
export function channelCheckMs({ pollFreshness }: Timing): number {
  return pollFreshness / 2;
}

/** A duration with its unit, such as `'500ms'`, `'30s'`, `'5m'`, `'2h'` or `'30d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const MAX_MS = 36_525 * UNIT_MS.d;

/** Completes a sentence about a value that `readDuration` does not take. */
export const A_DURATION =
  "must be a positive duration with a unit, at most 100 years, such as '500ms', '30s', '5m', '2h' or '30d'";

/** Parses a duration into whole milliseconds; null for anything else. */
export function readDuration(value: unknown): number | null {
  const match = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(value) : null;
  const ms = match ? Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]) : NaN;
  return ms > 0 && ms <= MAX_MS ? ms : null;
}

/** Parses a duration into whole milliseconds. @throws SessionError CONFIGURATION_INVALID naming the option */
export function parseDuration(value: unknown, name: string): number {
  const ms = readDuration(value);
  if (ms === null) throw new SessionError('CONFIGURATION_INVALID', `${name} ${A_DURATION}.`);
  return ms;
}

/** Writes milliseconds in the largest unit that takes them whole, such as `90d`. */
export function durationText(ms: number): Duration {
  const units = Object.keys(UNIT_MS) as (keyof typeof UNIT_MS)[];
  const unit = units.findLast((name) => ms % UNIT_MS[name] === 0) ?? 'ms';
  return `${ms / UNIT_MS[unit]}${unit}`;
}
