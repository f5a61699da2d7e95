import { checkOptions } from './checked-input.js';
import { invalidOption, SessionError } from './session-error.js';

/** The times that the parts of the library agree on. Field initialisers are the defaults. */
export class TimingOptions {
  /** How often a node reads the change log and renews its nodeRegistry. */
  poll?: Duration = '500ms';
  /** Age of the last poll from which caches are not used any more; bounds how late an end reaches a node. */
  pollFreshness?: Duration = '2s';
  /** Age from which a copy of a record is not used any more. */
  copyAge?: Duration = '5m';
  /**
   * How long caches may answer while the database cannot. Ends and boots have to wait as long for a server that was killed, so
   * the default is `'15s'` with `redis`, and without it the same as pollFreshness. On an embedded database pollFreshness takes
   * its place.
   */
  outageGrace?: Duration = undefined;
  /** Time in which a verification is answered, UNKNOWN if need be. */
  verifyBudget?: Duration = '1s';
  /** Time in which a login is answered. */
  loginBudget?: Duration = '5s';
  /** Time in which an end, or a list, is answered. */
  endBudget?: Duration = '5s';
  /** How often the uses of sessions are written. */
  activityFlush?: Duration = '10s';
  /** For how long an address of a session that was written as a sighting is not written again. */
  sightingInterval?: Duration = '5m';
  /** How often overdue sessions are ended. */
  sweep?: Duration = '30s';
  /** How long the holder of an ended session's token is told why it ended. */
  endReasonTtl?: Duration = '7d';
}

/** The same in milliseconds. */
export type Timing = Readonly<Record<keyof TimingOptions, number>>;

const OUTAGE_GRACE_WITH_REDIS = '15s';

/**
 * @param hasRedis whether the nodes remember sessions in common, and tell each other of changes
 * @throws SessionError CONFIGURATION_INVALID for unknown names, bad durations, and times that contradict each other
 */
export function resolveTiming(options: TimingOptions = {}, hasRedis = false): Timing {
  const defaults = new TimingOptions();
  checkOptions(options, 'timing.', defaults);
  defaults.outageGrace = hasRedis ? OUTAGE_GRACE_WITH_REDIS : (options.pollFreshness ?? defaults.pollFreshness!);
  const timing = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      parseDuration(options[name as keyof TimingOptions] ?? value, `timing.${name}`),
    ]),
  ) as unknown as Timing;
  if (timing.pollFreshness < 2 * timing.poll) {
    throw invalidOption('timing.pollFreshness', 'must be at least twice timing.poll, or caches would never be fresh');
  }
  if (timing.copyAge < timing.pollFreshness) {
    throw invalidOption('timing.copyAge', 'must not be shorter than timing.pollFreshness');
  }
  return timing;
}

/** A length of time with its unit, such as `'500ms'`, `'30s'`, `'5m'`, `'2h'` or `'30d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The longest duration accepted: one hundred years. */
const MAX_MS = 36_525 * UNIT_MS.d;

/**
 * Reads a duration as whole milliseconds.
 * @param name what the value configures; named in the error
 * @throws SessionError CONFIGURATION_INVALID unless the value is a positive duration with a unit, at most 100 years
 */
export function parseDuration(value: unknown, name: string): number {
  const match = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(value) : null;
  const ms = match ? Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]) : NaN;
  if (!(ms > 0 && ms <= MAX_MS)) {
    throw new SessionError(
      'CONFIGURATION_INVALID',
      `${name} must be a duration above zero with a unit, such as '500ms', '30s', '5m', '2h' or '30d'.`,
    );
  }
  return ms;
}
