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
  /** Whether a change may become visible later than it was written, by any time: a commit may be held. */
  readonly lateCommits?: boolean;
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
  /** Whether anything goes by the times that changes bear, which are those of their writing. */
  readonly needsTimes: boolean;
  /** Whether it matters up to which change a node has read. Otherwise it knows of all those before, or nobody need to. */
  readonly needsPositions: boolean;
}

export function settingOf(scenario: Scenario, rules: Rules): Setting {
  return {
    scenario,
    rules,
    window: scenario.copyAge - 1,
    needsTimes: !rules.purgedWhenSeen || !rules.readInCommitOrder || !rules.loginReadsLog,
    needsPositions: !rules.wholeLogFirst || !rules.windowOutlivesRetreat,
  };
}
