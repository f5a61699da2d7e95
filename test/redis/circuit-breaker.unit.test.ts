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

  const steps: Readonly<Record<string, () => unknown>> = {
    fail: () => breaker.fail(),
    succeed: () => breaker.succeed(),
    admit: () => expect(breaker.admit()).toBe(true),
    refuse: () => expect(breaker.admit()).toBe(false),
    'nearly pause': () => (now += PAUSE - 1),
    pause: () => (now += PAUSE),
  };
  const OPENED = 'fail: up, fail: up, fail: down';
  const OPENED_PAUSED = `${OPENED}, pause: probing, admit: down`;

  /** What is done, with the state after each step. */
  it.each([
    ['opens after so many failures in a row, and asks nobody', `${OPENED}, refuse: down`],
    ['counts anew after a success', 'fail: up, fail: up, succeed: up, fail: up, fail: up'],
    ['lets calls through as long as it is closed', 'admit: up, admit: up, fail: up'],
    ['asks nobody until the pause is over', `${OPENED}, nearly pause: down, refuse: down`],
    ['lets one call find out after the pause', `${OPENED_PAUSED}, refuse: down, pause: down`],
    ['closes where that call succeeds', `${OPENED_PAUSED}, succeed: up, admit: up, fail: up`],
    ['pauses again where it fails', `${OPENED_PAUSED}, fail: down, nearly pause: down, pause: probing`],
    ['takes a late success of an earlier call for what it is', `${OPENED}, succeed: up, admit: up`],
    [
      'pauses from the last failure on, of calls that were under way',
      `${OPENED}, nearly pause: down, fail: down, nearly pause: down, pause: probing`,
    ],
  ])('%s', (_name, story) => {
    for (const [step, state] of story.split(', ').map((text) => text.split(': ') as [string, string])) {
      steps[step]!();
      expect([step, breaker.state]).toEqual([step, state]);
    }
  });
});
