import { beforeEach, describe, expect, it } from '@jest/globals';
import { CircuitBreaker } from 'lib/call-limits.js';

const MAX = 3;
const PAUSE = 500;

describe('the circuit breaker', () => {
  let now: number;
  let breaker: CircuitBreaker;
  beforeEach(() => {
    now = 1000;
    breaker = new CircuitBreaker({ maxFailures: MAX, pauseMs: PAUSE, now: () => now });
  });

  /** What is done, with the state after it. */
  const steps = {
    fail: () => breaker.fail(),
    succeed: () => breaker.succeed(),
    'is let through': () => expect(breaker.admit()).toBe(true),
    'is not let through': () => expect(breaker.admit()).toBe(false),
    'the pause is nearly over': () => (now += PAUSE - 1),
    'the pause is over': () => (now += PAUSE),
  } as const;
  type Step = readonly [keyof typeof steps, 'up' | 'down' | 'probing'];
  const opened: readonly Step[] = [
    ['fail', 'up'],
    ['fail', 'up'],
    ['fail', 'down'],
  ];

  const table: Readonly<Record<string, readonly Step[]>> = {
    'opens after so many failures in a row, and asks nobody': [...opened, ['is not let through', 'down']],
    'counts anew after a success': [
      ['fail', 'up'],
      ['fail', 'up'],
      ['succeed', 'up'],
      ['fail', 'up'],
      ['fail', 'up'],
    ],
    'lets calls through as long as it is closed': [
      ['is let through', 'up'],
      ['is let through', 'up'],
      ['fail', 'up'],
    ],
    'lets one call find out after the pause': [
      ...opened,
      ['the pause is nearly over', 'down'],
      ['is not let through', 'down'],
      ['the pause is over', 'probing'],
      ['is let through', 'down'],
      ['is not let through', 'down'],
      ['the pause is over', 'down'],
    ],
    'closes where that call succeeds': [
      ...opened,
      ['the pause is over', 'probing'],
      ['is let through', 'down'],
      ['succeed', 'up'],
      ['is let through', 'up'],
      ['fail', 'up'],
    ],
    'pauses again where it fails': [
      ...opened,
      ['the pause is over', 'probing'],
      ['is let through', 'down'],
      ['fail', 'down'],
      ['the pause is nearly over', 'down'],
      ['the pause is over', 'probing'],
    ],
    'takes a late success of an earlier call for what it is': [...opened, ['succeed', 'up'], ['is let through', 'up']],
    'pauses from the last failure on, of calls that were under way': [
      ...opened,
      ['the pause is nearly over', 'down'],
      ['fail', 'down'],
      ['the pause is nearly over', 'down'],
      ['the pause is over', 'probing'],
    ],
  };

  it.each(Object.keys(table))('%s', (name) => {
    for (const [step, state] of table[name]!) {
      steps[step]();
      expect([step, breaker.state]).toEqual([step, state]);
    }
  });
});
