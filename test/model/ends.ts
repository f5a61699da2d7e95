import { hear } from './copies.js';
import type { EndRequest, Setting } from './scenario.js';
import { type End, NAMES, type Node, NOW, Phase, type State, type Step, type World, isWaiting } from './state.js';

/** An end (or another change that copies must not outlive): transaction, publication, waiting, acknowledgement. */
export function endSteps(setting: Setting, state: State, k: number, step: Step): void {
  const { world, nodes } = state;
  const { by, kind } = setting.scenario.ends[k]!;
  const end = world.ends[k]!;
  const who = nameOf(by, k);

  if (end.phase === Phase.Idle && !setting.rules.listedAfterCommit) {
    step(who, 'lists the members', (next) => {
      next.world.ends[k]!.phase = Phase.ListedTooEarly;
      next.world.ends[k]!.notCaching = bitsOf(nodes, ({ rowCaching }) => rowCaching === 0);
    });
  } else if (end.phase === Phase.Idle || end.phase === Phase.ListedTooEarly) {
    // Whoever changes the session has its row locked.
    if (world.ends.some(({ phase }) => phase === Phase.Open)) return;
    if (world.hasEnded) findEnded(setting, state, k, kind, step);
    else change(setting, state, k, step);
  } else if (end.phase === Phase.Open) {
    step(who, 'commits', (next) => commit(setting, next.world, k));
  } else if (end.phase === Phase.Committed) {
    step(who, 'hears that it is committed, applies, publishes, lists the members', (next) => {
      if (by !== null) hear(setting, next.nodes[by]!, end.version);
      list(setting, next, k, Phase.Telling);
    });
    step(who, 'never hears what became of it', (next) => (next.world.ends[k]!.phase = Phase.Abandoned));
  } else if (isWaiting(end) && nodes.every((node, n) => n === by || isDone(setting, node, n, end, k))) {
    step(who, 'is acknowledged', (next) => (next.world.ends[k]!.phase = Phase.Acknowledged));
  }
}

/** A message, which comes never or as late as it likes. After the acknowledgement it could only tell a node more. */
export function messageSteps(setting: Setting, { world }: State, n: number, step: Step): void {
  const { rules, scenario } = setting;
  world.ends.forEach((end, k) => {
    if (!isWaiting(end) || scenario.ends[k]!.by === n || end.acknowledgedBy & (1 << n)) return;
    step(NAMES[n]!, `hears from ${nameOf(scenario.ends[k]!.by, k)} and confirms`, (next) => {
      next.world.ends[k]!.acknowledgedBy |= 1 << n;
      if (!rules.appliedBeforeAcknowledged) return;
      if (end.phase === Phase.Telling) hear(setting, next.nodes[n]!, end.version);
      else if (rules.keysHeld) next.nodes[n]!.held = 1;
    });
  });
}

function change(setting: Setting, { world }: State, k: number, step: Step): void {
  const takesTime = setting.scenario.lateCommits;
  const { by } = setting.scenario.ends[k]!;
  step(nameOf(by, k), takesTime ? 'writes the change' : 'writes the change and commits', (next) => {
    next.world.written[world.version] = 0;
    if (takesTime) next.world.ends[k]!.phase = Phase.Open;
    else commit(setting, next.world, k);
  });
}

function commit({ scenario }: Setting, world: World, k: number): void {
  world.ends[k]!.phase = Phase.Committed;
  world.logged[world.version] = 0;
  world.ends[k]!.version = ++world.version;
  if (scenario.ends[k]!.kind !== 'rotation') world.hasEnded = 1;
}

/** Somebody else has ended the session. Who has heard of that is not known, and that somebody may be gone. */
function findEnded(setting: Setting, { world }: State, k: number, kind: EndRequest['kind'], step: Step): void {
  const { rules, scenario, window } = setting;
  const { by } = scenario.ends[k]!;
  if (kind === 'rotation') return;
  const last = world.version - 1;
  const isOld = rules.loginReadsLog ? world.logged[last]! > window : world.written[last]! > scenario.silence;
  const isLate = kind === 'login' && isOld;
  const what = isLate
    ? 'finds nothing that ended lately'
    : 'finds it ended already, publishes its key, lists the members';
  step(nameOf(by, k), what, (next) => {
    next.world.ends[k]!.version = world.version;
    if (isLate || !rules.secondEndWaits) {
      next.world.ends[k]!.phase = Phase.Acknowledged;
      return;
    }
    if (by !== null && rules.ownKeysHeld) next.nodes[by]!.held = 1;
    list(setting, next, k, Phase.Asking);
  });
}

function list({ rules }: Setting, { world, nodes }: State, k: number, phase: Phase): void {
  world.ends[k]!.phase = phase;
  if (rules.polledLaterThanList) return;
  for (const node of nodes) {
    if (node.pollStamp & NOW) node.pollStamp |= 1 << k;
    if (node.lastStamp & NOW) node.lastStamp |= 1 << k;
    if (node.rowPolled & NOW) node.rowPolled |= 1 << k;
  }
}

/** Whether an end need not wait for a node, or not any more. The rows are looked at again and again. */
function isDone({ rules, scenario }: Setting, node: Node, n: number, end: End, k: number): boolean {
  if (!rules.waitsForMembers || !node.rowCaching || node.rowPolled & (1 << k)) return true;
  if ((end.acknowledgedBy | end.notCaching) & (1 << n)) return true;
  return node.rowAge > (rules.silenceCoversOutage ? scenario.silence : scenario.freshness);
}

function nameOf(by: number | null, k: number): string {
  return WHO[k]![by ?? 2]!;
}

const WHO = ['end 1', 'end 2'].map((end) => [`${end} (at N)`, `${end} (at M)`, `${end} (elsewhere)`]);

function bitsOf<T>(items: readonly T[], isSet: (item: T) => boolean): number {
  return items.reduce((bits, item, i) => (isSet(item) ? bits | (1 << i) : bits), 0);
}
