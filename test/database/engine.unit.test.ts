import { beforeEach, describe, expect, it } from '@jest/globals';
import { RowQueues } from 'lib/lane.js';
import { StatementNames } from 'lib/pooled-engine.js';
import Libsql from 'libsql';
import { dialectOf } from 'lib/dialect.js';
import { type SqliteConnection, SqliteEngine } from 'lib/sqlite-engine.js';
import { sql } from 'lib/sql.js';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sessionMigrations } from 'nestjs-latchkey';

const LONG_MS = 60_000;
const code = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );

describe('the queue for a row', () => {
  it('runs one at a time, in order, and the next also after one that failed', async () => {
    const queues = new RowQueues();
    const seen: string[] = [];
    const step = (name: string) => async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
      if (name === 'b') throw new Error('no');
    };
    const all = ['a', 'b', 'c'].map((name) => queues.run('row', step(name), LONG_MS));
    const other = queues.run('another', step('other'), LONG_MS);
    await Promise.allSettled([...all, other]);
    expect(seen.filter((line) => !line.startsWith('other'))).toEqual(
      ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    expect(seen.indexOf('other begins')).toBeLessThan(seen.indexOf('a ends'));
  });

  it('is left by who has no time any more, and joined by no more than 1,000', async () => {
    const queues = new RowQueues();
    let finish: (() => void) | undefined;
    const first = queues.run('row', () => new Promise<void>((resolve) => (finish = resolve)), LONG_MS);
    let ran = 0;
    const work = () => Promise.resolve(ran++);
    expect(await code(queues.run('row', work, 1))).toBe('SESSION_STORE_UNAVAILABLE');
    const waiting = Array.from({ length: 1000 }, () => queues.run('row', work, LONG_MS));
    expect(await code(queues.run('row', work, LONG_MS))).toBe('SESSION_STORE_UNAVAILABLE');
    expect(ran).toBe(0);
    expect([queues.isFree('row'), queues.isFree('another')]).toEqual([false, true]);
    finish!();
    await Promise.all([first, ...waiting]);
    expect(ran).toBe(1000);
    expect(queues.isFree('row')).toBe(true);
    expect(await code(queues.run('row', work, 1))).toBe('done');
  });
});

describe('names of statements', () => {
  let names: StatementNames;
  beforeEach(() => {
    names = new StatementNames();
  });
  const nth = (text: string, times: number) => {
    let name: string | undefined;
    for (let time = 0; time < times; time++) name = names.nameOf(text);
    return name;
  };

  it('are given to a text from its third time on, and stay', () => {
    expect([1, 2, 3, 4].map(() => names.nameOf('SELECT $1'))).toEqual([
      undefined,
      undefined,
      expect.stringMatching(/^latchkey_[\da-f]{32}$/),
      nth('SELECT $1', 1),
    ]);
  });

  it('say what the text is, in every process, and fit into what PostgreSQL takes', () => {
    const name = nth('SELECT $1', 3)!;
    expect(new Set([name, nth('SELECT $1 ', 3), nth('SELECT $2', 3)]).size).toBe(3);
    names = new StatementNames();
    nth('SELECT another', 3);
    expect(nth('SELECT $1', 3)).toBe(name);
    expect(name.length).toBeLessThan(64);
  });

  it.each([
    ['UPDATE t SET a = $1 WHERE id IN ($2, $3)', false],
    ['UPDATE t SET a = $1 WHERE id IN ($2)', true],
    ["SELECT a FROM t WHERE id = $1 AND status IN ('live', '') ORDER BY id", true],
    ['INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)', false],
    ['INSERT INTO t (a, b) VALUES ($1, $2)', true],
  ])('are for what always has one length: %s', (text, isNamed) => {
    expect(nth(text, 5) !== undefined).toBe(isNamed);
  });

  it('are a hundred at most', () => {
    const given = Array.from({ length: 150 }, (_, index) => nth(`SELECT ${index}`, 3));
    expect(given.filter(Boolean)).toHaveLength(100);
    expect(nth('SELECT 0', 1)).toBe(given[0]);
  });

  it('do not make it remember every text that ever came', () => {
    nth('SELECT early', 2);
    for (let index = 0; index < 1000; index++) nth(`SELECT once ${index}`, 1);
    expect([1, 2, 3].map(() => names.nameOf('SELECT early')).map(Boolean)).toEqual([false, false, true]);
  });
});

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

const FOLDER = new URL('../../lib/database/schema/migrations/', import.meta.url);

/** A released migration has run somewhere and is never changed again: change tables by another one, added at the end. */
const RELEASED: readonly (readonly [file: string, sha256: string])[] = [
  ['create-tables.ts', '6c429cfff0590d690d19df54414bac6e9a2d6f480f8d73648e343fc5992ec08f'],
  ['tables-of-create.ts', '734266a16a690304d223229e5118c913dbefc149f2366490558dbb8773b08923'],
];

it.each(RELEASED)('%s is as it was released', (file, sha256) => {
  expect(
    createHash('sha256')
      .update(readFileSync(new URL(file, FOLDER)))
      .digest('hex'),
  ).toBe(sha256);
});

it('migrations run in the order in which they are listed', () => {
  const times = sessionMigrations.map((Migration) => Number(/\d{13}$/.exec(new Migration().name)?.[0]));
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
  expect(times.every((time) => time > 0)).toBe(true);
});
