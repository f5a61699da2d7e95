import type { Model, Visit } from './checker.js';

/** What nodes go by where a fail-over of the database may lose commits. Each may be switched off to see what it is for. */
export const LOSS_RULES = {
  /** No copy of a session that is known to have ended is used, whatever its version. */
  endsAreFinal: true,
  /** Nor is its row taken for live. */
  endsBeforeRows: true,
  /** A node that is connected anew asks the database for all ends that it knows of. */
  noticesFailOver: true,
  /** Those that are live there are ended again. */
  writesAgain: true,
  /** The first poll is complete only then. */
  checkedBeforeComplete: true,
};

export type LossRule = keyof typeof LOSS_RULES;

const NONE = -1;
const MOST_CHANGES = 3;

/** A primary: how often the session has changed in it, and whether it has ended. */
interface Primary {
  readonly version: number;
  readonly hasEnded: boolean;
}

interface LossNode {
  /** The primary that it is connected to. */
  readonly at: 0 | 1;
  readonly knowsEnd: boolean;
  /** The least version that a copy may have. */
  readonly window: number;
  readonly copy: number;
  /** Whether it has yet to check the ends that it knows of. */
  readonly isDoubtful: boolean;
  /** 1: it knew of the end when it was connected to the second primary. 2: and has completed a poll of that since. */
  readonly owes: 0 | 1 | 2;
}

export interface LossState {
  /** The one of old, and from the fail-over on the one that has lost all changes. Both may go on. */
  readonly primaries: readonly [Primary, Primary | null];
  readonly isAcknowledged: boolean;
  /** Versions of live copies that were ever written to Redis, as bits. */
  readonly shared: number;
  readonly nodes: readonly [LossNode, LossNode];
}

const newNode = (at: 0 | 1): LossNode => ({
  at,
  knowsEnd: false,
  window: 0,
  copy: NONE,
  isDoubtful: false,
  owes: 0,
});

type Change = (what: string, next: Partial<LossState>) => void;

/** One session, and a database that fails over to a standby that has lost its end, or the same versions for other changes. */
export class LostCommits implements Model<LossState> {
  readonly initial: LossState = {
    primaries: [{ version: 0, hasEnded: false }, null],
    isAcknowledged: false,
    shared: 0,
    nodes: [newNode(0), newNode(0)],
  };
  private readonly ids = new Map<string, number>();

  constructor(private readonly rules: Readonly<Record<LossRule, boolean>>) {}

  keyOf(state: LossState): number {
    const text = JSON.stringify(state);
    const id = this.ids.get(text) ?? this.ids.size;
    this.ids.set(text, id);
    return id;
  }

  /** A node accepts what it knows to be ended; or it has polled, and left what it had known of before. */
  isBroken({ primaries, isAcknowledged, nodes }: LossState): boolean {
    return nodes.some((node) => {
      if (node.owes === 2 && !primaries[1]!.hasEnded) return true;
      return node.knowsEnd && isAcknowledged && (this.usesCopy(node) || this.readsLive(primaries[node.at]!, node));
    });
  }

  usesCopy({ copy, window, knowsEnd }: LossNode): boolean {
    return copy !== NONE && (this.rules.endsAreFinal ? !knowsEnd : copy >= window);
  }

  private readsLive({ hasEnded }: Primary, { knowsEnd }: LossNode): boolean {
    return !hasEnded && !(knowsEnd && this.rules.endsBeforeRows);
  }

  forEachStep(state: LossState, visit: Visit<LossState>): void {
    const change =
      (who: string): Change =>
      (what, next) =>
        visit(who, what, { ...state, ...next });
    this.databaseSteps(state, change('the database'));
    for (const n of [0, 1] as const) this.nodeSteps(state, n, change('NM'[n]!));
  }

  private databaseSteps({ primaries: [first, second], isAcknowledged, nodes }: LossState, step: Change): void {
    if (!second) step('fails over', { primaries: [first, { version: 0, hasEnded: false }] });
    else if (!second.hasEnded && second.version < MOST_CHANGES) {
      step('has another change', { primaries: [first, { ...second, version: second.version + 1 }] });
    }
    if (!isAcknowledged && nodes.every(({ knowsEnd }) => knowsEnd))
      step('says that it is ended', { isAcknowledged: true });
  }

  private nodeSteps(state: LossState, n: 0 | 1, step: Change): void {
    const { primaries, shared, nodes } = state;
    const node = nodes[n];
    const primary = primaries[node.at]!;
    const other = nodes[1 - n]!;
    const put = (next: LossNode, more: Partial<LossState> = {}) => ({
      ...more,
      nodes: (n === 0 ? [next, nodes[1]] : [nodes[0], next]) as LossState['nodes'],
    });
    // One that knows lives on, or nobody does.
    if (other.knowsEnd) step('crashes and starts again', put(newNode(primaries[1] ? 1 : 0)));
    if (n === 0 && !primary.hasEnded && !node.knowsEnd) {
      const ended = { version: primary.version + 1, hasEnded: true };
      step(
        'ends the session',
        put(this.told(node, ended.version), { primaries: withPrimary(primaries, node.at, ended) }),
      );
    }
    if (other.knowsEnd && !node.knowsEnd) step('hears of the end', put(this.told(node, other.window)));
    if (node.at === 0 && primaries[1]) {
      step(
        'is connected anew',
        put({ ...node, at: 1, isDoubtful: this.rules.noticesFailOver, owes: node.knowsEnd ? 1 : 0 }),
      );
    }
    if (this.readsLive(primary, node) && primary.version >= node.window) {
      const kept = { ...node, copy: primary.version };
      step('reads the database and keeps a copy', put(kept, { shared: shared | (1 << primary.version) }));
    }
    for (let version = node.window; version <= MOST_CHANGES + 1; version++) {
      if (!(shared & (1 << version)) || (node.knowsEnd && this.rules.endsAreFinal)) continue;
      step('takes a copy from Redis', put({ ...node, copy: version }));
    }
    if (!node.isDoubtful || !this.rules.checkedBeforeComplete)
      step('completes a poll', put(this.polled(node, primary)));
    if (!node.isDoubtful) return;
    const isLost = node.knowsEnd && !primary.hasEnded && this.rules.writesAgain;
    const again = isLost ? { version: primary.version + 1, hasEnded: true } : primary;
    step(
      'checks the ends that it knows of',
      put({ ...node, isDoubtful: false }, { primaries: withPrimary(primaries, node.at, again) }),
    );
  }

  private told(node: LossNode, version: number): LossNode {
    const window = Math.max(node.window, version);
    const isKept = !this.rules.endsAreFinal && node.copy >= window;
    return { ...node, knowsEnd: true, window, copy: isKept ? node.copy : NONE };
  }

  private polled(node: LossNode, { version, hasEnded }: Primary): LossNode {
    const known = hasEnded ? this.told(node, version) : node;
    const copy = known.copy < version ? NONE : known.copy;
    return { ...known, window: Math.max(known.window, version), copy, owes: known.owes === 0 ? 0 : 2 };
  }
}

function withPrimary(primaries: LossState['primaries'], at: 0 | 1, primary: Primary): LossState['primaries'] {
  return at === 0 ? [primary, primaries[1]] : [primaries[0], primary];
}
