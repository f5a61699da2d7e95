import { changeWindow } from '../../cluster/cache-coherence.js';
import { type Duration, parseDuration, type Timing } from '../../model/timing.js';
import { checkOptions } from '../../model/checked-input.js';
import { invalidOption } from '../../model/session-error.js';

/**
 * For how long records of the past are kept; false for ever, which is the default of all: whether a record may still be needed
 * as evidence, or must be gone by now, the library cannot know. Removed in the background, some sweeps later.
 */
export class RetentionOptions {
  /** Sessions after their end, with their data and sightings. At least `timing.endReasonTtl`: no one can be told why afterwards. */
  endedSessions?: Duration | false = false;
  /** The audit trail. */
  events?: Duration | false = false;
  /** Which session was used from which address, after the last such use. */
  sightings?: Duration | false = false;
  /** Counts by the hour. */
  statistics?: Duration | false = false;
}

/** The same in milliseconds; null for ever. */
export type Retention = Readonly<Record<keyof RetentionOptions, number | null>>;

/** @throws SessionError CONFIGURATION_INVALID */
export function resolveRetention(given: RetentionOptions, timing: Timing): Retention {
  const defaults = new RetentionOptions();
  checkOptions(given, 'retention.', defaults);
  const retention = Object.fromEntries(
    (Object.keys(defaults) as (keyof RetentionOptions)[]).map((name) => {
      const value = given[name] ?? false;
      return [name, value === false ? null : parseDuration(value, `retention.${name}`)];
    }),
  ) as Retention;
  const { endedSessions } = retention;
  if (endedSessions !== null && endedSessions < timing.endReasonTtl) {
    throw invalidOption(
      'retention.endedSessions',
      'must not be shorter than timing.endReasonTtl, for which the holder of a token is told why the session ended: make one ' +
        'longer or the other shorter',
    );
  }
  if (endedSessions !== null && endedSessions < changeWindow(timing.copyAge)) {
    throw invalidOption('retention.endedSessions', 'must be at least half a minute longer than timing.copyAge');
  }
  return retention;
}
