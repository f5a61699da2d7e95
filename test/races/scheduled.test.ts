import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc, { type Scheduler } from 'fast-check';
import { accessAndRefresh, singleDevice } from 'nestjs-latchkey';
import { SqliteEngine } from 'lib/sqlite-engine.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { sqliteOptions } from '../support/databases.js';
import { type Sessions, SECRET, startSessions } from '../support/sessions.js';
import { rounds } from '../support/size.js';
import { ENDS, History, USES } from './history.js';

const HISTORIES = rounds('scheduledHistories');

/** Each of these runs in one step of the real database; which of those that wait is next, the scheduler decides. */
const STEPS = ['read', 'write', 'transaction'] as const;

const engine = SqliteEngine.prototype as unknown as Record<
  (typeof STEPS)[number],
  (this: SqliteEngine, ...args: unknown[]) => Promise<unknown>
>;

describe('any order of refresh, use, write and end', () => {
  let sessions: Sessions;
  let scheduler: Scheduler | null = null;
  let user = 0;
  const restore: (() => void)[] = [];

  beforeAll(async () => {
    for (const step of STEPS) {
      const original = engine[step];
      // Not a spy of Jest, which would keep the arguments and results of a million calls.
      engine[step] = async function (...args) {
        await scheduler?.schedule(Promise.resolve(), step);
        const result = await original.apply(this, args);
        // The reply takes its time as well, and may be out of date when it arrives.
        await scheduler?.schedule(Promise.resolve(), `reply to ${step}`);
        return result;
      };
      restore.push(() => (engine[step] = original));
    }
    sessions = await startSessions({
      secret: SECRET,
      database: sqliteOptions(':memory:'),
      policy: singleDevice(),
      tokens: accessAndRefresh(),
      // Little goes on beside the histories, so that the same seed gives the same order.
      timing: { poll: '1h', pollFreshness: '2h', copyAge: '3h', activityFlush: '1h', sweep: '1h' },
    });
    // It announces that it caches, and begins.
    const { coherence } = sessions.context.get(SessionRuntime, { strict: false });
    await coherence.poll();
    await coherence.poll();
    expect(coherence.caching).toBe(true);
  });

  afterEach(() => {
    scheduler = null;
  });

  afterAll(async () => {
    await sessions.close();
    restore.forEach((undo) => undo());
  });

  it(`A82, G6, G7: no token is accepted after the acknowledged end, in ${HISTORIES} histories`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom(...USES), { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom(...ENDS), { minLength: 1, maxLength: 2 }),
        async (order, uses, ends) => {
          const history = new History([sessions], `user ${user++}`);
          await history.login();
          scheduler = order;
          try {
            await order.waitFor(history.race(uses, ends));
          } finally {
            scheduler = null;
            // Background work that came up meanwhile waits as well; what is left of it would never come to its end.
            await order.waitNext(order.count());
          }
          expect(await history.violations()).toEqual([]);
        },
      ),
      { numRuns: HISTORIES },
    );
  }, 900_000);
});
