import type { Model, Visit } from './checker.js';

/** What nodes without messages go by. Each may be switched off to see what it is for. */
export const LONE_RULES = {
  /** A node says in its row that it uses copies before it looks whether it is alone. */
  announcesFirst: true,
  /** A poll writes the row before it looks at the others'. */
  rowBeforeLook: true,
  /** A node uses copies only while it sees no other. */
  onlyWhileAlone: true,
  /** It goes on for no longer than others take a silent node for one that is there. */
  stopsWhenSilent: true,
  /** A node that sees another one use copies asks it from then on, whatever it saw before. */
  othersVoid: true,
  /** A node is silent when its number has stood still, and not because of the time in its row: clocks are set. */
  silenceObserved: true,
  /** It stands still from when the row was read, not from when that was asked for. */
  countsFromReply: true,
  /** A silent node's row is removed only if it has not been written since it was read. */
  removesWhatItSaw: true,
};

export type LoneRule = keyof typeof LONE_RULES;

/** For how long the number in the row of a node stands still before it counts as gone, in ticks. */
const SILENCE = 2;
const NONE = 7;

interface LoneNode {
  /** Its row: whether it is there, whether it says copies. */
  hasRow: number;
  rowCaching: number;
  /** Of the other's row: for how long its number is known here, and whether another one has been written since. */
  seenAge: number;
  hasNews: number;
  /** Whether the other was found silent, and its row is to be removed. */
  removes: number;
  /** Whether the next row is to say copies. */
  wantsCopies: number;
  isActive: number;
  /** No other node uses copies, and none can begin: ends need not wait for anybody. */
  isEstablished: number;
  pollAge: number;
  runningPoll: number;
  /** Whether the poll under way says copies, what it has done (1 row, 2 look), and what it saw: 1 a node, 2 one with copies. */
  pollCaching: number;
  pollDid: number;
  pollSaw: number;
}

type NodeStep = (what: string, next: LoneNode, other?: LoneNode) => void;

export type LoneState = readonly [LoneNode, LoneNode];

const newNode = (): LoneNode => ({
  hasRow: 0,
  rowCaching: 0,
  seenAge: NONE,
  hasNews: 0,
  removes: 0,
  wantsCopies: 0,
  isActive: 0,
  isEstablished: 0,
  pollAge: SILENCE,
  runningPoll: NONE,
  pollCaching: 0,
  pollDid: 0,
  pollSaw: 0,
});

/** Two nodes without messages: one using copies and one acknowledging without asking must never be at the same time. */
export class LoneNodes implements Model<LoneState> {
  readonly initial: LoneState = [newNode(), newNode()];

  constructor(private readonly rules: Readonly<Record<LoneRule, boolean>>) {}

  keyOf(state: LoneState): number {
    return packNode(state[0]) * 2 ** 26 + packNode(state[1]);
  }

  isBroken(state: LoneState): boolean {
    return this.asksNobody(state[0])
      ? this.usesCopies(state[1])
      : this.asksNobody(state[1]) && this.usesCopies(state[0]);
  }

  asksNobody({ isEstablished, pollAge }: LoneNode): boolean {
    return isEstablished === 1 && pollAge < SILENCE;
  }

  usesCopies({ isActive, pollAge }: LoneNode): boolean {
    return isActive === 1 && (pollAge < SILENCE || !this.rules.stopsWhenSilent);
  }

  forEachStep(state: LoneState, visit: Visit<LoneState>): void {
    visit('the clock', 'ticks', [ticked(state[0]), ticked(state[1])]);
    this.nodeSteps(state[0], state[1], (what, next, other = state[1]) => visit('N', what, [next, other]));
    this.nodeSteps(state[1], state[0], (what, next, other = state[0]) => visit('M', what, [other, next]));
  }

  private nodeSteps(node: LoneNode, other: LoneNode, step: NodeStep): void {
    const { rules } = this;
    // Its row is gone with it: that makes the other wait less.
    step('crashes and starts again', newNode(), { ...other, seenAge: NONE, hasNews: 0, removes: 0 });
    if (node.removes) {
      const mayRemove = !node.hasNews || !rules.removesWhatItSaw;
      const gone = mayRemove ? { ...other, hasRow: 0, rowCaching: 0 } : other;
      step("removes the other's row", { ...node, removes: 0 }, gone);
    }
    if (node.runningPoll === NONE) {
      const what = `begins a poll that says ${node.wantsCopies ? '' : 'no '}copies`;
      step(what, { ...node, runningPoll: 0, pollCaching: node.wantsCopies });
      return;
    }
    const [hasWritten, hasLooked] = [(node.pollDid & 1) !== 0, (node.pollDid & 2) !== 0];
    step('gives the poll up', withoutPoll(node));
    if (!hasWritten && (hasLooked || rules.rowBeforeLook)) {
      const row = { hasRow: 1, rowCaching: node.pollCaching };
      step('writes its row', { ...node, ...row, pollDid: node.pollDid | 1 }, { ...other, hasNews: 1 });
    }
    if (!hasLooked && (hasWritten || !rules.rowBeforeLook)) {
      for (const [looked, isThere] of this.looks(node, other)) {
        const pollSaw = isThere ? 1 + other.rowCaching : 0;
        const what = ['sees nobody', 'sees the other', 'sees the other with copies'][pollSaw]!;
        step(what, { ...looked, pollSaw, pollDid: node.pollDid | 2 });
      }
    }
    if (hasWritten && hasLooked) step('completes the poll', this.completed(node));
  }

  /** What may come of a look at the other's row: the observer after it, and whether it takes the other for there. */
  private looks(node: LoneNode, other: LoneNode): readonly (readonly [LoneNode, boolean])[] {
    if (!other.hasRow) return [[{ ...node, seenAge: NONE, hasNews: 0, removes: 0 }, false]];
    const first = this.rules.countsFromReply ? 0 : node.runningPoll;
    const seenAge = node.hasNews || node.seenAge === NONE ? first : node.seenAge;
    const isSilent = seenAge >= SILENCE;
    const there = [{ ...node, seenAge, hasNews: 0, removes: Number(isSilent) }, !isSilent] as const;
    // By the clock of the database, which is set, any row may be an old one.
    return this.rules.silenceObserved ? [there] : [there, [{ ...there[0], removes: 1 }, false]];
  }

  private completed(node: LoneNode): LoneNode {
    const { rules } = this;
    const wantsCopies = Number(node.pollSaw === 0 || !rules.onlyWhileAlone);
    const seesNoCopies = node.pollSaw < 2;
    return {
      ...withoutPoll(node),
      pollAge: node.runningPoll,
      isEstablished: Number(seesNoCopies || (node.isEstablished === 1 && !rules.othersVoid)),
      isActive: Number(wantsCopies && (node.isActive || node.pollCaching || !rules.announcesFirst)),
      wantsCopies,
    };
  }
}

function withoutPoll(node: LoneNode): LoneNode {
  return { ...node, runningPoll: NONE, pollCaching: 0, pollDid: 0, pollSaw: 0 };
}

function ticked(node: LoneNode): LoneNode {
  const older = (age: number) => Math.min(age + 1, SILENCE);
  const runningPoll = node.runningPoll === NONE ? NONE : older(node.runningPoll);
  const seenAge = node.seenAge === NONE ? NONE : older(node.seenAge);
  return { ...node, seenAge, pollAge: older(node.pollAge), runningPoll };
}

function packNode(node: LoneNode): number {
  let code = ((node.hasRow * 2 + node.rowCaching) * 8 + node.seenAge) * 2 + node.wantsCopies;
  code = (code * 2 + node.hasNews) * 2 + node.removes;
  code = ((code * 2 + node.isActive) * 2 + node.isEstablished) * 4 + node.pollAge;
  code = ((code * 8 + node.runningPoll) * 2 + node.pollCaching) * 4 + node.pollDid;
  return code * 4 + node.pollSaw;
}
