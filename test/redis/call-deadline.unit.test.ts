import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CallDeadline, RedisTimeoutError } from 'lib/call-limits.js';

const MS = 150;
const never = () => new Promise<never>(() => undefined);

describe('a call of Redis', () => {
  let deadline: CallDeadline;
  let ends: string[];
  /** Notes how a call ends. */
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
