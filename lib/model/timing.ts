import { type Duration, parseDuration } from './duration.js';
import { checkOptions } from './checked-input.js';
import { invalidOption } from './session-error.js';

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
