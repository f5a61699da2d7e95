import type { Model, Visit } from './checker.js';

/** What a node goes by that may still read a primary of old. Each may be switched off to see what it is for. */
export const PRIMARY_RULES = {
  /** A session is good by the database only if a write has succeeded that is younger than the grace. */
  verdictsNeedWrites: true,
  /** The age of a write counts from when it was sent. */
  agesFromSending: true,
  /** A write that is refused, or another server, on one connection makes all of them suspect: they are made anew. */
  allAreSuspect: true,
  /** A new connection is used only if its server can be written. */
  newOnesAreChecked: true,
};

export type PrimaryRule = keyof typeof PRIMARY_RULES;

/** `timing.writeGrace`, in ticks. */
const GRACE = 2;
/** No write that has succeeded, none under way, no end: in the place of an age. */
const NONE = 7;

type Server = 'old' | 'new';

interface Write {
  readonly age: number;
  readonly to: Server;
  readonly fate: 'sent' | 'done' | 'refused';
}

export interface PrimaryState {
  /** The old primary can be read and not written from then on; the new one takes writes. */
  readonly isFenced: boolean;
  /** The connections of the node: requests have their own, and so has the poll, which writes. */
  readonly reads: Server;
  readonly writes: Server;
  readonly write: Write | null;
  /** Age of the last write that has succeeded. */
  readonly wroteAge: number;
  /** For how long an end on the new primary has been acknowledged. */
  readonly endAge: number;
}

type Step = (what: string, next: Partial<PrimaryState>) => void;

/**
 * A node that hears of nothing reads a primary that was fenced, or cut off, while sessions end on the new one. Those ends do not wait
 * for a node that has no row there, or uses no copies. So the promise is a bound: nothing is accepted that ended longer than the
 * grace ago. The library does not keep these rules yet: it answers by whatever it can read. They are here for when it does.
 */
export class TwoPrimaries implements Model<PrimaryState> {
  readonly initial: PrimaryState = {
    isFenced: false,
    reads: 'old',
    writes: 'old',
    write: null,
    wroteAge: NONE,
    endAge: NONE,
  };
  private readonly ids = new Map<string, number>();

  constructor(private readonly rules: Readonly<Record<PrimaryRule, boolean>>) {}

  keyOf(state: PrimaryState): number {
    const text = JSON.stringify(state);
    const id = this.ids.get(text) ?? this.ids.size;
    this.ids.set(text, id);
    return id;
  }

  isBroken(state: PrimaryState): boolean {
    return state.endAge !== NONE && state.endAge >= GRACE && state.reads === 'old' && this.answers(state);
  }

  /** Whether the node takes what it reads for true. */
  answers({ wroteAge }: PrimaryState): boolean {
    return wroteAge < GRACE || !this.rules.verdictsNeedWrites;
  }

  forEachStep(state: PrimaryState, visit: Visit<PrimaryState>): void {
    const by =
      (who: string): Step =>
      (what, next) =>
        visit(who, what, { ...state, ...next });
    const { isFenced, write, wroteAge, endAge } = state;
    by('the clock')('ticks', {
      wroteAge: older(wroteAge),
      endAge: older(endAge),
      write: write && { ...write, age: older(write.age) },
    });
    if (!isFenced) by('the database')('fails over', { isFenced: true });
    else if (endAge === NONE) by('the new primary')('ends the session', { endAge: 0 });
    this.nodeSteps(state, by('N'));
  }

  private nodeSteps(state: PrimaryState, step: Step): void {
    const { isFenced, reads, writes, write } = state;
    // A name may still mean the old one.
    const reachable: Server[] = isFenced ? (this.rules.newOnesAreChecked ? ['new'] : ['old', 'new']) : ['old'];
    for (const server of reachable) {
      step(`loses the connection of requests: now it is to the ${server} primary`, { reads: server });
      const isOther = server !== writes && this.rules.allAreSuspect;
      for (const other of isOther ? reachable : [reads]) {
        step(`loses the one of the poll: to the ${server} primary, that of requests to the ${other}`, {
          writes: server,
          reads: other,
          write: null,
        });
      }
    }
    if (!write) {
      step('sends a write', { write: { age: 0, to: writes, fate: 'sent' } });
    } else if (write.fate === 'sent') {
      // Or never.
      const isDone = write.to === 'new' || !isFenced;
      step(isDone ? 'has it written' : 'has it refused', { write: { ...write, fate: isDone ? 'done' : 'refused' } });
    } else if (write.fate === 'done') {
      step('hears that it is written', { write: null, wroteAge: this.rules.agesFromSending ? write.age : 0 });
    } else {
      for (const server of this.rules.allAreSuspect ? reachable : [reads]) {
        step(`hears that it is refused: that of requests is to the ${server} primary`, { write: null, reads: server });
      }
    }
  }
}

function older(age: number): number {
  return age === NONE ? NONE : Math.min(age + 1, GRACE);
}
