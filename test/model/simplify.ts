import type { Setting } from './scenario.js';
import { type End, NONE, NOW, type Node, Phase, type State, type World, isWaiting, newNode } from './state.js';

// Bound once: in Jest every look-up of a global goes through a Proxy, a quarter of the time of a search.
const { assign } = Object;
const { max, min } = Math;

/** Merges states that differ only in what cannot matter: ages beyond limits, unused copies, marks of ends that are over. */
export function simplify(setting: Setting, { world, nodes }: State): void {
  const forgotten = simplifyWorld(setting, world);
  let waiting = 0;
  let isOver = true;
  for (let k = 0; k < world.ends.length; k++) {
    const end = world.ends[k]!;
    simplifyEnd(end);
    if (isWaiting(end)) waiting |= 1 << k;
    if (end.phase !== Phase.Abandoned && end.phase !== Phase.Acknowledged) isOver = false;
  }
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n]!;
    if (setting.scenario.isCoarse && world.hasEnded && node.window === world.version) {
      // No copy of what has ended will ever be used here. As far as ends are concerned the node is gone.
      assign(node, newNode(), { window: node.window });
    }
    let others = waiting | NOW;
    for (let k = 0; k < world.ends.length; k++) if (setting.scenario.ends[k]!.by === n) others &= ~(1 << k);
    simplifyNode(setting, node, forgotten);
    simplifyPolls(setting, node, forgotten, others, isOver);
  }
}

/** @returns the last change that is in nobody's window any more */
function simplifyWorld(setting: Setting, { logged, written, shared }: World): number {
  let forgotten = 0;
  const oldest = max(setting.window, 2 * setting.scenario.silence) + 1;
  for (let i = 0; i < written.length; i++) {
    if (written[i] !== NONE) written[i] = setting.needsTimes ? min(written[i]!, oldest) : 0;
  }
  for (let i = 0; i < logged.length; i++) {
    if (logged[i] === NONE || logged[i]! <= setting.window) continue;
    logged[i] = setting.window + 1;
    forgotten = i + 1;
  }
  for (let i = 0; i < shared.length; i++) shared[i] = usableAge(setting, shared[i]!);
  return forgotten;
}

function simplifyEnd(end: End): void {
  if (!isWaiting(end)) end.acknowledgedBy = end.isLaterThanList = 0;
  if (end.phase === Phase.Abandoned) end.version = 0;
  if (end.phase === Phase.Abandoned || end.phase === Phase.Acknowledged) end.notCaching = 0;
}

function simplifyNode(setting: Setting, node: Node, forgotten: number): void {
  const { nearCheckedAtUse, joinsUnsentReadsOnly } = setting.rules;
  if (node.window <= forgotten) node.window = 0;
  node.nearAge = usableAge(setting, node.nearAge);
  if (!node.isActive || (nearCheckedAtUse && node.nearVersion < node.window)) node.nearAge = NONE;
  if (node.nearAge === NONE) node.nearVersion = 0;
  if (joinsUnsentReadsOnly) node.readAge = usableAge(setting, node.readAge);
  else if (node.readAge !== NONE) node.readAge = min(node.readAge, setting.scenario.copyAge);
  if (node.readAge === NONE) node.readVersion = 0;
}

function simplifyPolls(setting: Setting, node: Node, forgotten: number, others: number, isOver: boolean): void {
  const stale = setting.scenario.silence + 1;
  node.pollAge = min(node.pollAge, stale);
  node.pollStamp &= others;
  node.lastStamp &= others;
  node.rowPolled &= others;
  if (node.runningPoll === NONE) {
    node.pollDid = node.pollIsWhole = node.pollCaching = node.pollSaw = node.pollStamp = node.pollPosition = 0;
  } else {
    node.runningPoll = min(node.runningPoll, stale);
    const known = setting.rules.windowOutlivesRetreat ? max(forgotten, node.window) : forgotten;
    if (node.pollSaw <= known) node.pollSaw = 0;
  }
  if (setting.rules.readInCommitOrder) node.pollIsWhole = 0;
  if (!setting.needsPositions) node.position = node.pollPosition = 0;
  // Rows are only there for ends to look at.
  if (isOver) node.pollStamp = node.lastStamp = node.rowCaching = node.lateRow = 0;
  node.rowAge = node.rowCaching ? min(node.rowAge, stale) : 0;
  if (!node.rowCaching) node.rowPolled = 0;
}

/** Of copies that are too old none is left, unless a rule is missing. */
function usableAge({ rules, scenario }: Setting, age: number): number {
  if (age === NONE || age < scenario.copyAge) return age;
  return rules.copiesAge ? NONE : scenario.copyAge;
}
