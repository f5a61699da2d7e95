/** A system as an explicit-state model: where it starts, and what may happen next. */
export interface Model<State> {
  readonly initial: State;
  /** Equal for states that are the same, and for no others. */
  keyOf(state: State): number;
  forEachStep(state: State, visit: Visit<State>): void;
}

/** Who does what, and the state after it. */
export type Visit<State> = (who: string, what: string, next: State) => void;

export interface Search {
  /** How many different states were seen. */
  readonly states: number;
  /** The steps of a shortest way to a state that was looked for, or null if there is none. */
  readonly trace: readonly string[] | null;
}

/** More would not fit into the memory of a test. */
const MOST_STATES = 2_000_000;

/** Searches every reachable state, nearest first, without a bound on depth: when it finds none, there is none. */
export function search<State>(model: Model<State>, isFound: (state: State) => boolean): Search {
  const seen = new Set<number>();
  // How each state was reached first. The states themselves are dropped once their steps are known.
  const parents: number[] = [];
  const whos: string[] = [];
  const whats: string[] = [];
  let level: State[] = [];
  let found = -1;

  const enter = (who: string, what: string, state: State, parent: number) => {
    const size = seen.size;
    if (found >= 0 || seen.add(model.keyOf(state)).size === size) return;
    if (size === MOST_STATES) throw new Error(`More than ${MOST_STATES} states: make the scenario smaller.`);
    parents.push(parent);
    whos.push(who);
    whats.push(what);
    level.push(state);
    if (isFound(state)) found = size;
  };

  enter('', '', model.initial, -1);
  for (let index = 0; level.length > 0 && found < 0;) {
    const current = level;
    level = [];
    for (const state of current) {
      model.forEachStep(state, (who, what, next) => enter(who, what, next, index));
      index++;
    }
  }
  if (found < 0) return { states: seen.size, trace: null };
  const trace: string[] = [];
  for (let index = found; index > 0; index = parents[index]!) trace.push(`${whos[index]}: ${whats[index]}`);
  return { states: seen.size, trace: trace.reverse() };
}
