import type { Rules } from './rules.js';

/** An end that is asked for at one of the nodes, or (null) at one that is not looked at any further. */
export interface EndRequest {
  readonly by: number | null;
  /** A rotation makes old copies wrong as an end does, and leaves the session alive. */
  readonly kind: 'end' | 'rotation' | 'login';
}

/** What there is and what may go wrong. Times are in ticks. */
export interface Scenario {
  readonly nodes: number;
  readonly ends: readonly EndRequest[];
  /** D. */
  readonly freshness: number;
  /** max(D, G). A poll may be failing at any time, so this is how long copies may be used after one. */
  readonly silence: number;
  /** A. */
  readonly copyAge: number;
  /** The longest time between the row of the change log, which bears the time of its writing, and its commit. */
  readonly lateCommit: number;
  /** Whether replies of the database come later than they were asked for. */
  readonly slowReads?: boolean;
  readonly crashes?: boolean;
  /** Whether what a poll writes may arrive after the node has given it up. */
  readonly lateRows?: boolean;
  /** Fewer states: polls are one step, and nodes that know all are not followed. Right only if those make no mistakes. */
  readonly isCoarse?: boolean;
  /** Fewer still: polls do not fail, and nodes that use copies go on to. */
  readonly isCalm?: boolean;
}

/** A scenario, under some of the rules. */
export interface Setting {
  readonly scenario: Scenario;
  readonly rules: Rules;
  /** W. The shortest that will do: the real one is longer, for what clocks are wrong by. */
  readonly window: number;
}

export function settingOf(scenario: Scenario, rules: Rules): Setting {
  const longestCommit = rules.windowCoversLateCommits ? scenario.lateCommit : 0;
  return { scenario, rules, window: scenario.copyAge - 1 + longestCommit };
}
