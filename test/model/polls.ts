import { hear } from './copies.js';
import type { Setting } from './scenario.js';
import { NAMES, type Node, NONE, NOW, type State, type Step, type World, isWaiting } from './state.js';

const WROTE_ROW = 1;
const READ_LOG = 2;

/** A poll begins, writes the row, reads the change log and is complete, or fails anywhere on the way, or hangs. */
export function pollSteps(setting: Setting, { world, nodes }: State, n: number, step: Step): void {
  const { rules, scenario } = setting;
  const node = nodes[n]!;
  const who = NAMES[n]!;
  if (node.runningPoll === NONE) {
    step(who, 'begins a poll that says copies', (next) => begin(setting, next, n, 1));
    if (scenario.isCalm || (node.isActive && rules.retreatBeforeRow)) return;
    step(who, 'begins a poll that says no copies', (next) => begin(setting, next, n, 0));
    return;
  }
  const hasWritten = (node.pollDid & WROTE_ROW) !== 0;
  const hasRead = (node.pollDid & READ_LOG) !== 0;
  if (!hasWritten && (hasRead || rules.rowBeforeLog)) {
    step(who, 'writes its row', ({ nodes }) => writeRow(setting, nodes[n]!, world));
  }
  if (!hasRead && (hasWritten || !rules.rowBeforeLog)) {
    step(who, 'reads the change log', ({ nodes }) => readLog(setting, nodes[n]!, world));
  }
  if (hasWritten && hasRead) {
    step(who, 'completes the poll', ({ nodes }) => complete(setting, nodes[n]!));
  }
  if (!scenario.isCalm) {
    step(who, 'gives the poll up', ({ nodes }) => {
      nodes[n]!.runningPoll = NONE;
      if (node.held) nodes[n]!.held = 1;
      // One that says copies would do no harm: ends wait for it in vain.
      if (scenario.lateRows && !hasWritten && !node.pollCaching) nodes[n]!.lateRow = 1;
    });
  }
}

function begin(setting: Setting, { world, nodes }: State, n: number, caching: number): void {
  const { scenario } = setting;
  const node = nodes[n]!;
  node.runningPoll = 0;
  node.pollIsWhole = node.isActive ? 0 : 1;
  node.pollCaching = caching;
  if (node.held) node.held = 2;
  if (!scenario.isCoarse) return;
  writeRow(setting, node, world);
  readLog(setting, node, world);
}

function writeRow({ rules }: Setting, node: Node, { ends }: World): void {
  node.pollDid |= WROTE_ROW;
  node.pollStamp = rules.polledLaterThanList ? 0 : NOW;
  ends.forEach((end, k) => {
    if (isWaiting(end) && (end.isLaterThanList || !rules.polledLaterThanList)) node.pollStamp |= 1 << k;
  });
  node.rowCaching = node.pollCaching;
  node.rowAge = 0;
  node.rowPolled = rules.polledMeansComplete ? node.lastStamp : node.pollStamp;
  if (rules.rowsInOrder) node.lateRow = 0;
}

/** Finds the latest version among the changes that are new to the node, and still in the log. */
function readLog({ rules, scenario, window }: Setting, node: Node, { logged, written, version }: World): void {
  node.pollDid |= READ_LOG;
  node.pollPosition = version;
  const reach = node.pollIsWhole ? Infinity : node.runningPoll + scenario.silence;
  for (let change = node.position + 1; change <= version; change++) {
    const isThere = (rules.purgedWhenSeen ? logged : written)[change - 1]! <= window;
    if (isThere && (rules.readInCommitOrder || written[change - 1]! <= reach)) node.pollSaw = change;
  }
}

/** Whether the node then uses copies is its own affair (whether it is alone, or all exchange messages): here it always may. */
function complete(setting: Setting, node: Node): void {
  const { announcedFirst, keysReleasedByLaterPoll, pollAgesFromStart } = setting.rules;
  hear(setting, node, node.pollSaw);
  node.position = node.pollPosition;
  node.pollAge = pollAgesFromStart ? node.runningPoll : 0;
  node.lastStamp = node.pollStamp;
  node.isActive = node.pollCaching || !announcedFirst ? 1 : 0;
  if (node.held === 2 || !keysReleasedByLaterPoll) node.held = 0;
  node.runningPoll = NONE;
}
