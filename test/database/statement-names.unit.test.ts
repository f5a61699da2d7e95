import { beforeEach, describe, expect, it } from '@jest/globals';
import { StatementNames } from 'lib/statement-names.js';

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
