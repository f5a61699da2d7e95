import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CallDeadline, CircuitBreaker, RedisTimeoutError } from 'lib/call-limits.js';

const MS = 150;
const never = () => new Promise<never>(() => undefined);

describe('a call of Redis', () => {
  let deadline: CallDeadline;
  let ends: string[];
  const watch = (name: string, call: Promise<unknown>) =>
    deadline.within(call).then(
      () => ends.push(`${name} answered`),
      (error: unknown) => ends.push(`${name} ${error instanceof RedisTimeoutError ? 'late' : 'failed'}`),
    );
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    jest.useFakeTimers();
    deadline = new CallDeadline(MS);
    ends = [];
  });
  afterEach(() => void jest.useRealTimers());

  it('is what it comes to, if that is in time', async () => {
    await expect(deadline.within(Promise.resolve(7))).resolves.toBe(7);
    const own = new Error('of Redis');
    await expect(deadline.within(Promise.reject(own))).rejects.toBe(own);
  });

  it('is over when the time is up, and not before', async () => {
    void watch('a', never());
    await pass(MS - 1);
    expect(ends).toEqual([]);
    await pass(2);
    expect(ends).toEqual(['a late']);
    await expect(Promise.race([deadline.within(never()), pass(MS + 2).then(never)])).rejects.toThrow('within 150 ms');
  });

  it('has its own time, whatever other calls do', async () => {
    void watch('a', never());
    void watch('b', Promise.resolve());
    void watch('c', Promise.reject(new Error('refused')));
    await pass(100);
    void watch('d', never());
    await pass(60);
    expect(ends.sort()).toEqual(['a late', 'b answered', 'c failed']);
    await pass(100);
    expect(ends).toContain('d late');
    expect(ends).toHaveLength(4);
  });

  it('that is answered too late has ended by then, and nothing more comes of it', async () => {
    let answer!: (value: string) => void;
    void watch('a', new Promise((resolve) => (answer = resolve)));
    await pass(MS + 1);
    answer('late');
    await pass(1);
    expect(ends).toEqual(['a late']);
  });

  it('shares a timer with the others of its turn, however many they are', () => {
    for (let index = 0; index < 1000; index++) void watch('a', Promise.resolve());
    expect(jest.getTimerCount()).toBeLessThanOrEqual(2);
  });
});

it('a call of Redis whose reply has arrived counts as answered, though the program was too busy to read it', async () => {
  const deadline = new CallDeadline(20);
  const reply = new Promise((resolve) => setTimeout(() => setImmediate(() => resolve('here')), 1));
  const call = deadline.within(reply);
  const until = performance.now() + 60;
  while (performance.now() < until);
  await expect(call).resolves.toBe('here');
});

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
