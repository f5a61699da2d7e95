import TestSequencer from '@jest/test-sequencer';

/** Files that take longest, from the longest on: begun last, one of them would go on alone. */
const LONGEST = [
  'races/scheduled',
  'database/processes',
  'model/freshness',
  'sample-app/demo-load',
  'cache/coherence',
  'races/servers',
  'cache/rollback',
  'database/faults',
  'processes/token-life',
  'sample-app/tokens',
  'sample-app/restart',
  'sessions/sliding',
  'browser/console-views',
];

/** Begins with the longest; the rest in Jest's own order. */
export default class LongestFirst extends TestSequencer {
  /** @param {import('@jest/test-result').Test[]} tests */
  async sort(tests) {
    const order = await super.sort(tests);
    const rank = ({ path }) => {
      const index = LONGEST.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
      return index < 0 ? LONGEST.length : index;
    };
    return [...order].sort((one, other) => rank(one) - rank(other));
  }
}
