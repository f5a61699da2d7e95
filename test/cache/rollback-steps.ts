import fc from 'fast-check';

const DEEDS = [
  'login',
  'refresh',
  'reuse',
  'claims',
  'suspend',
  'lift',
  'logout',
  'replace',
  'kick',
  'kickUser',
  'kickTwice',
  'kickUserTwice',
] as const;
/** What happens to what Redis holds, and comes at once. */
const LOSSES = ['drop', 'restore', 'restore', 'flush', 'fill', 'empty'] as const;
/** What takes its time: nodes have to connect anew. */
type Failure = 'leaveBehind' | 'promote' | 'failBack' | 'cutMessages';

/** `look` does nothing: tokens are looked at after every step. */
type What = (typeof DEEDS)[number] | (typeof LOSSES)[number] | Failure | 'look';

/** One step of a history. What it is about is picked by number, from what is there. */
export interface Step {
  readonly what: What;
  readonly node: number;
  readonly session: number;
  /** Which keys, a bit for each session; and the moment from which they come back. */
  readonly keys: number;
  readonly moment: number;
  readonly isBusy: boolean;
  /** Whether every node reads the change log before tokens are looked at; else, it goes by what it was told. */
  readonly isSettled: boolean;
}

const stepOf = (what: fc.Arbitrary<What>): fc.Arbitrary<Step> =>
  fc.record({
    what,
    node: fc.nat(1),
    session: fc.nat(9),
    keys: fc.nat(1023),
    moment: fc.nat(19),
    isBusy: fc.boolean(),
    isSettled: fc.boolean(),
  });

/** These steps, one after the other, each on its own. */
const fixed = (...whats: What[]): Step[] =>
  whats.map((what) => ({ what, node: 0, session: 0, keys: 0, moment: 0, isBusy: false, isSettled: true }));

/** Histories of deeds and losses, each with a token that caches answer for at the start, and one they refuse at the end. */
export const losses = fc
  .array(
    stepOf(
      fc.oneof(
        { weight: 2, arbitrary: fc.constant('login' as const) },
        { weight: 8, arbitrary: fc.constantFrom(...DEEDS) },
        { weight: 8, arbitrary: fc.constantFrom(...LOSSES) },
      ),
    ),
    { minLength: 6, maxLength: 16 },
  )
  .map((steps) => [...fixed('login', 'look'), ...steps, ...fixed('empty', 'kickUser', 'look')]);

/** Histories in which a stale replica takes over in the middle, and mostly gives back. */
export const failovers = fc
  .tuple(
    fc.array(stepOf(fc.constantFrom(...DEEDS)), { minLength: 2, maxLength: 4 }),
    fc.array(stepOf(fc.constantFrom(...DEEDS, 'drop')), { minLength: 1, maxLength: 4 }),
    fc.array(stepOf(fc.constantFrom(...DEEDS, 'restore', 'cutMessages')), { maxLength: 4 }),
    fc.array(stepOf(fc.constantFrom(...DEEDS, 'restore')), { maxLength: 3 }),
    fc.tuple(...(['login', 'leaveBehind', 'promote', 'failBack'] as const).map((what) => stepOf(fc.constant(what)))),
  )
  .map(([before, unseen, after, later, [login, leaveBehind, promote, failBack]]) => [
    login!,
    ...before,
    leaveBehind!,
    ...unseen,
    promote!,
    ...after,
    failBack!,
    ...later,
  ]);
