import type { Model, Visit } from './checker.js';
import { keep, keepNear, usesNear, usesShared } from './copies.js';
import { endSteps, messageSteps } from './ends.js';
import { pollSteps } from './polls.js';
import type { Rules } from './rules.js';
import { type Scenario, type Setting, settingOf } from './scenario.js';
import { simplify } from './simplify.js';
import {
  NAMES,
  NONE,
  NOW,
  Phase,
  type State,
  StateKeys,
  type Step,
  copyOf,
  isWaiting,
  newEnd,
  newNode,
} from './state.js';

/**
 * The freshness protocol (docs/architecture.md) of one session, with everything that may go wrong. A step is one node's turn
 * or one statement of the database; any order of them is looked at.
 *
 * What is left out, or made coarser, and why nothing is lost by it:
 * - Time is a clock that counts in ticks and stands still in between, for as many steps as there are. So what happens in one
 *   tick has the same time in any order, as within a real millisecond. D, A and so on are a few ticks: the protocol only
 *   compares ages with them, and that it does so at the right moment shows with small numbers as with large ones.
 * - All clocks are right. The real limits have margins for what they are wrong by.
 * - Redis may lose any value and have any earlier one again at any moment. So of each version it is enough to know the latest
 *   copy that was ever written: whatever a reader could be given is that one or an older one, and a reader that refuses the
 *   former refuses the latter. Tombstones and the order of writes do not appear: here nothing relies on them.
 * - A poll may be failing at any time, so copies may always be used for max(D, G). D alone makes ends that nobody has
 *   confirmed come true sooner.
 * - Whether a node may use copies at all (alone, or connected to nodes that are) only decides who waits how long. Here it
 *   begins and ends as it likes, as soon as the row says so.
 * - A node that stands still takes no steps while time passes. One that crashes begins anew, with its row gone: that makes
 *   acknowledgements sooner than a row that has to be waited for.
 * - A poll sees the changes that are committed (PostgreSQL). One that waits for those under way sees no others.
 * - A read of the database has its result when it is sent. A later result is newer, and counts as old as it was sent.
 * - A change whose outcome is unknown is held no longer than that; the code does so for a while.
 */
export class Protocol implements Model<State> {
  readonly initial: State;
  private readonly setting: Setting;
  private readonly keys = new StateKeys();

  constructor(scenario: Scenario, rules: Rules) {
    this.setting = settingOf(scenario, rules);
    const changes = scenario.ends.filter(({ kind }) => kind === 'rotation').length + 1;
    const none = () => Array.from({ length: changes }, () => NONE);
    const world = {
      version: 0,
      hasEnded: 0,
      logged: none(),
      written: none(),
      shared: none(),
      ends: scenario.ends.map(newEnd),
    };
    this.initial = { world, nodes: Array.from({ length: scenario.nodes }, newNode) };
    simplify(this.setting, this.initial);
  }

  keyOf(state: State): number {
    return this.keys.of(state);
  }

  /** The promise is broken: a request that begins now is answered by what an acknowledged change has made wrong. */
  isBroken(state: State): boolean {
    let acknowledged = 0;
    for (const { phase, version } of state.world.ends) {
      if (phase === Phase.Acknowledged) acknowledged = Math.max(acknowledged, version);
    }
    if (acknowledged === 0) return false;
    return state.nodes.some((node, n) => {
      if (node.nearVersion < acknowledged && usesNear(this.setting, state, n)) return true;
      if (state.world.shared.some((_, v) => v < acknowledged && usesShared(this.setting, state, n, v))) return true;
      // The database itself tells the truth to whoever asks it now. A read that was sent earlier does not.
      return !this.setting.rules.joinsUnsentReadsOnly && node.readAge !== NONE && node.readVersion < acknowledged;
    });
  }

  usesNear(state: State, n: number): boolean {
    return usesNear(this.setting, state, n);
  }

  usesShared(state: State, n: number): boolean {
    return state.world.shared.some((_, version) => usesShared(this.setting, state, n, version));
  }

  forEachStep(state: State, visit: Visit<State>): void {
    const step: Step = (who, what, change) => {
      const next = copyOf(state);
      change(next);
      simplify(this.setting, next);
      visit(who, what, next);
    };
    this.timePasses(step);
    for (let k = 0; k < state.world.ends.length; k++) endSteps(this.setting, state, k, step);
    for (let n = 0; n < state.nodes.length; n++) {
      pollSteps(this.setting, state, n, step);
      messageSteps(this.setting, state, n, step);
      this.nodeReads(state, n, step);
      this.nodeStumbles(state, n, step);
    }
  }

  private timePasses(step: Step): void {
    step('the clock', 'ticks', (next) => {
      next.world.logged = next.world.logged.map(older);
      next.world.written = next.world.written.map(older);
      next.world.shared = next.world.shared.map(older);
      for (const end of next.world.ends) if (isWaiting(end)) end.isLaterThanList = 1;
      for (const node of next.nodes) {
        node.pollAge = older(node.pollAge);
        node.runningPoll = older(node.runningPoll);
        node.nearAge = older(node.nearAge);
        node.readAge = older(node.readAge);
        node.rowAge = older(node.rowAge);
        node.pollStamp &= ~NOW;
        node.lastStamp &= ~NOW;
        node.rowPolled &= ~NOW;
      }
    });
  }

  private nodeReads(state: State, n: number, step: Step): void {
    const { setting } = this;
    const { world, nodes } = state;
    const { isActive, readAge, readVersion } = nodes[n]!;
    const who = NAMES[n]!;
    if (!world.hasEnded && !setting.scenario.slowReads) {
      step(who, 'reads the database and keeps a copy', (next) => keep(setting, next, n, world.version, 0));
    } else if (!world.hasEnded) {
      step(who, 'sends a read to the database', ({ nodes }) => {
        nodes[n]!.readVersion = world.version;
        nodes[n]!.readAge = 0;
      });
    }
    if (readAge !== NONE) {
      step(who, 'gets the reply of the database and keeps a copy', (next) => {
        next.nodes[n]!.readAge = NONE;
        keep(setting, next, n, readVersion, readAge);
      });
    }
    world.shared.forEach((age, version) => {
      if (!isActive || !usesShared(setting, state, n, version)) return;
      step(who, 'takes a copy from Redis and keeps it', ({ nodes }) => keepNear(nodes[n]!, version, age));
    });
  }

  private nodeStumbles({ world, nodes }: State, n: number, step: Step): void {
    const { rules, scenario } = this.setting;
    const { isActive, lateRow } = nodes[n]!;
    const who = NAMES[n]!;
    if (isActive && !scenario.isCalm) {
      step(who, 'uses no copies from here on', ({ nodes }) => {
        nodes[n]!.isActive = 0;
        if (!rules.windowOutlivesRetreat) nodes[n]!.window = 0;
      });
    }
    // Whoever crashes with a transaction open leaves behind what any other node would.
    const isOpen = world.ends.some(({ phase }, k) => phase === Phase.Open && scenario.ends[k]!.by === n);
    if (scenario.crashes && !isOpen) {
      step(who, 'crashes and starts again', (next) => {
        next.nodes[n] = { ...newNode(), position: rules.wholeLogFirst ? 0 : world.version };
        next.world.ends.forEach((end, k) => {
          const isLost = end.phase === Phase.Committed || isWaiting(end);
          if (isLost && scenario.ends[k]!.by === n) end.phase = Phase.Abandoned;
        });
      });
    }
    if (lateRow) {
      step(who, 'has the row written by a poll that was given up', ({ nodes }) => {
        nodes[n]!.lateRow = 0;
        nodes[n]!.rowCaching = 0;
      });
    }
  }
}

function older(age: number): number {
  return age === NONE ? NONE : age + 1;
}
