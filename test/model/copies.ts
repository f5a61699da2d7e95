import type { Setting } from './scenario.js';
import { type Node, NONE, Phase, type State } from './state.js';

/** Whether a request that begins now is answered from a near copy. */
export function usesNear(setting: Setting, state: State, n: number): boolean {
  const { nearAge, nearVersion, window } = state.nodes[n]!;
  if (nearAge === NONE || !isYoung(setting, nearAge) || !mayUseCopies(setting, state, n)) return false;
  return !setting.rules.nearCheckedAtUse || nearVersion >= window;
}

/** Whether a copy of a version in Redis is taken. Redis may hold now whatever it ever held. */
export function usesShared(setting: Setting, state: State, n: number, version: number): boolean {
  const age = state.world.shared[version]!;
  if (age === NONE || !isYoung(setting, age) || !mayUseCopies(setting, state, n)) return false;
  return !setting.rules.sharedCheckedAtUse || version >= state.nodes[n]!.window;
}

function isYoung({ rules, scenario }: Setting, age: number): boolean {
  return age < scenario.copyAge || !rules.copiesAge;
}

function mayUseCopies(setting: Setting, state: State, n: number): boolean {
  const { isActive, pollAge } = state.nodes[n]!;
  const isFresh = pollAge <= setting.scenario.silence || !setting.rules.pollsAge;
  return isActive === 1 && isFresh && !isHeld(setting, state, n);
}

function isHeld({ rules, scenario }: Setting, { world, nodes }: State, n: number): boolean {
  if (nodes[n]!.held) return true;
  if (!rules.heldDuringChange) return false;
  const isUnderWay = (phase: Phase) => phase === Phase.Open || phase === Phase.Committed;
  return world.ends.some(({ phase }, k) => isUnderWay(phase) && scenario.ends[k]!.by === n);
}

/** Keeps a record that was read a while ago, near and in Redis. What Redis holds is not asked: it may have lost it. */
export function keep(setting: Setting, state: State, n: number, version: number, age: number): void {
  const node = state.nodes[n]!;
  const { shared } = state.world;
  if (age < shared[version]!) shared[version] = age;
  const mayKeep = version >= node.window && !isHeld(setting, state, n);
  if (node.isActive && (mayKeep || !setting.rules.nearCheckedAtFill)) keepNear(node, version, age);
}

export function keepNear(node: Node, version: number, age: number): void {
  if (age >= node.nearAge) return;
  node.nearVersion = version;
  node.nearAge = age;
}

/** What a node does that hears of a change. */
export function hear({ rules }: Setting, node: Node, version: number): void {
  if (version > node.window) node.window = version;
  if (rules.nearDroppedByChange && node.nearVersion < version) node.nearAge = NONE;
}
