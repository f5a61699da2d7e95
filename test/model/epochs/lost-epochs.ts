import type { Model, Visit } from '../checker.js';

/** What nodes go by where a fail-over may lose ends of whole accounts. Each may be switched off to see what it is for. */
export const LOST_EPOCH_RULES = {
  /** A row below a known end has ended, whatever the database says. */
  endsOverRows: true,
  /** So has a copy, whatever the version of its account: that number may be of another change. */
  endsOverCopies: true,
  /** A node that is connected anew has the database end again what it knows to be ended. */
  endsWrittenAgain: true,
  /** Whether that is so is told by the epoch: the version may have been used for another change. */
  endsComparedByEpoch: true,
  /** The new number is above all that are known, so that later logins are above it. */
  numbersAboveKnown: true,
  /** No copy is used that was read from the server of before: its numbers may be used again. */
  oldCopiesDistrusted: true,
};

export type LostEpochRule = keyof typeof LOST_EPOCH_RULES;

/** Of an account, in one primary. It has one session of epoch 0, and in the second one perhaps that of a later login. */
interface Primary {
  readonly version: number;
  readonly epoch: number;
  readonly isBanned: boolean;
}

/** Of the first session. Bans are read with it. */
interface Copy extends Pick<Primary, 'version' | 'isBanned'> {
  readonly from: 0 | 1;
}

export interface LostEpochState {
  /** The one of old, and from the fail-over on the one that has lost all changes. */
  readonly primaries: readonly [Primary, Primary | null];
  readonly copies: readonly Copy[];
  /** The epoch of a login at the second primary, once the node has completed a poll of it; null for none. */
  readonly login: number | null;
  /** Whether the node is connected to the second one: 1 until it has completed a poll of it, 2 from then on. */
  readonly at: 0 | 1 | 2;
  /** What the node knows of the account: the highest version, and which of them were ends. */
  readonly version: number;
  readonly ends: readonly number[];
  readonly hasHeardOfBan: boolean;
}

type Step = (what: string, next: Partial<LostEpochState>) => void;

const MOST_CHANGES = 2;
const FRESH: Primary = { version: 0, epoch: 0, isBanned: false };

/**
 * One account, one node that lives through a fail-over to a standby without its changes, and others that do what they like. What is
 * not in here: a process that starts after the fail-over, and does not know that the server is another one; and an end at the first
 * primary that is heard of after the poll of the second, which is final for the node, and written again at its next doubt.
 */
export class LostEpochs implements Model<LostEpochState> {
  readonly initial: LostEpochState = {
    primaries: [FRESH, null],
    copies: [],
    login: null,
    at: 0,
    version: 0,
    ends: [],
    hasHeardOfBan: false,
  };
  private readonly ids = new Map<string, number>();

  constructor(private readonly rules: Readonly<Record<LostEpochRule, boolean>>) {}

  keyOf(state: LostEpochState): number {
    const text = JSON.stringify(state);
    const id = this.ids.get(text) ?? this.ids.size;
    this.ids.set(text, id);
    return id;
  }

  /** The node accepts what it knows to be ended, or banned there; or its poll left an end lost; or it refuses a later login. */
  isBroken(state: LostEpochState): boolean {
    const { primaries, login, at, ends, hasHeardOfBan } = state;
    const primary = primaries[at === 0 ? 0 : 1]!;
    const readsLive = primary.epoch === 0 && !(this.rules.endsOverRows && ends.length > 0);
    const usesCopy = state.copies.some((copy) => !copy.isBanned && this.counts(state, copy));
    if (ends.length > 0 && (usesCopy || (readsLive && !primary.isBanned))) return true;
    if (at !== 2) return false;
    if (ends.length > 0 && primary.epoch === 0) return true;
    if (hasHeardOfBan && primary.isBanned && usesCopy) return true;
    return login === primary.epoch && ends.some((number) => number > login);
  }

  forEachStep(state: LostEpochState, visit: Visit<LostEpochState>): void {
    const by =
      (who: string): Step =>
      (what, next) =>
        visit(who, what, { ...state, ...next });
    this.othersSteps(state, by('others'));
    this.nodeSteps(state, by('N'));
  }

  counts({ at, version, ends }: LostEpochState, copy: Copy): boolean {
    if (at === 2 && copy.from === 0 && this.rules.oldCopiesDistrusted) return false;
    return copy.version >= version && !(this.rules.endsOverCopies && ends.length > 0);
  }

  private othersSteps(state: LostEpochState, step: Step): void {
    const { primaries, copies, login, at } = state;
    const [first, second] = primaries;
    if (!second) step('fail over', { primaries: [first, FRESH] });
    for (const from of [0, 1] as const) {
      const primary = primaries[from];
      if (!primary || (from === 0 && at === 2)) continue;
      const { version, epoch, isBanned } = primary;
      const change = (next: Primary) => ({
        primaries: from === 0 ? ([next, second] as const) : ([first, next] as const),
      });
      if (version < MOST_CHANGES) {
        const number = version + 1;
        const heard = { version: Math.max(state.version, number) };
        const ended = change({ ...primary, version: number, epoch: number });
        const banned = change({ ...primary, version: number, isBanned: !isBanned });
        step(`end all at ${from}`, ended);
        step(`end all at ${from}, and N hears`, { ...ended, ...heard, ends: withNumber(state.ends, number) });
        step(`ban or lift at ${from}`, banned);
        const hasHeardOfBan = from === 1 && !isBanned;
        step(`ban or lift at ${from}, and N hears`, { ...banned, ...heard, hasHeardOfBan });
      }
      const isThere = copies.some((one) => one.from === from && one.version === version && one.isBanned === isBanned);
      if (epoch === 0 && !isThere) {
        step(`put a copy from ${from} into Redis`, { copies: [...copies, { from, version, isBanned }] });
      }
    }
    if (second && at === 2 && login === null) step('log in', { login: second.epoch });
  }

  private nodeSteps(state: LostEpochState, step: Step): void {
    const { primaries, at, version, ends } = state;
    const [first, second] = primaries;
    if (at === 0 && second) step('is connected anew', { at: 1 });
    if (at !== 1) return;
    const { endsWrittenAgain, endsComparedByEpoch, numbersAboveKnown } = this.rules;
    const stored = second!;
    const isLost = ends.some((end) => end > stored.epoch) && (endsComparedByEpoch || stored.version < version);
    if (!isLost || !endsWrittenAgain) {
      const after = { ...stored, version: Math.max(stored.version, version) };
      step('checks what it knows, and completes a poll', { at: 2, primaries: [first, after], version: after.version });
      return;
    }
    const number = 1 + (numbersAboveKnown ? Math.max(stored.version, version) : stored.version);
    step('has all ended again, and completes a poll', {
      at: 2,
      primaries: [first, { ...stored, version: number, epoch: number }],
      version: Math.max(version, number),
      ends: withNumber(ends, number),
    });
  }
}

function withNumber(ends: readonly number[], number: number): readonly number[] {
  return [...new Set([...ends, number])].sort();
}
