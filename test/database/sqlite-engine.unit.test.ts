import { expect, it } from '@jest/globals';
import Libsql from 'libsql';
import { dialectOf } from 'lib/dialect.js';
import { type SqliteConnection, SqliteEngine } from 'lib/sqlite-engine.js';
import { sql } from 'lib/sql.js';

/** Half of it is longer than a busy machine stops a thread, and far shorter than the calls take together. */
const BUDGET_MS = 1000;
const WORK_MS = 5;
const CALLS = 200;

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

it('stays out of every transaction of an application that has one after the other, however long its own queue is', async () => {
  const connection = new Libsql(':memory:') as unknown as SqliteConnection;
  let isApplicationBusy = true;
  let isDone = false;
  const engine = new SqliteEngine(
    connection,
    dialectOf('better-sqlite3'),
    { isOpen: () => isApplicationBusy, isAround: () => false, release: () => undefined },
    () => Promise.resolve(),
  );
  const application = (async () => {
    // Of different lengths, so that the turns of the engine do not keep step with the gaps.
    for (let length = 0; !isDone; length = (length + 1) % 7) {
      isApplicationBusy = true;
      for (let turn = 0; turn < length; turn++) await nextTurn();
      isApplicationBusy = false;
      await nextTurn();
    }
  })();
  let inside = 0;
  let outside = 0;
  const call = () =>
    engine.transaction(
      function* () {
        if (isApplicationBusy) inside++;
        else outside++;
        yield sql`SELECT 1`;
        for (const until = performance.now() + WORK_MS; performance.now() < until;) continue;
      },
      { lane: 'work', budgetMs: BUDGET_MS },
    );
  // More than can be done in half of the budget.
  await Promise.allSettled(Array.from({ length: CALLS }, call));
  isDone = true;
  await application;
  expect(outside).toBeGreaterThan(0);
  expect(inside).toBe(0);
});
