import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ApproximateCount } from 'lib/online-counts.js';

const FILTER = { deviceType: 'phone' };
const UNKNOWN = { total: 0, totalIsEstimate: true, totalIsMinimum: true };

describe('the total of a list', () => {
  let sessions: number;
  let takesMs: number;
  let failsAbove: number;
  let caps: number[];
  let count: ApproximateCount;

  beforeEach(() => {
    jest.useFakeTimers();
    [sessions, takesMs, failsAbove, caps] = [7, 0, Infinity, []];
    const upTo = async (cap: number) => {
      caps.push(cap);
      const found = Math.min(sessions, cap);
      if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
      if (sessions < 0 || cap > failsAbove) throw new Error('The database is away.');
      return found;
    };
    count = new ApproximateCount({ count: (_filter, cap) => upTo(cap), estimate: () => upTo(Infinity) });
  });

  afterEach(() => void jest.useRealTimers());

  const ask = async () => {
    let told: unknown = 'nothing yet';
    void count.forList(FILTER).then((total) => (told = total));
    await jest.advanceTimersByTimeAsync(2000);
    return told;
  };

  it('is exact and counted for each page up to 1,000', async () => {
    expect(await ask()).toEqual({ total: 7, totalIsEstimate: false });
    sessions = 1000;
    expect(await ask()).toEqual({ total: 1000, totalIsEstimate: false });
    expect(caps).toEqual([1001, 1001]);
  });

  it('is the last one above that, while it is counted anew every ten seconds', async () => {
    sessions = 5000;
    expect(await ask()).toEqual({ total: 5000, totalIsEstimate: true });
    sessions = 6000;
    expect(await ask()).toEqual({ total: 5000, totalIsEstimate: true });
    expect(caps).toHaveLength(2);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await ask()).toEqual({ total: 5000, totalIsEstimate: true });
    expect(await ask()).toEqual({ total: 6000, totalIsEstimate: true });
  });

  it('is no older than a minute', async () => {
    sessions = 5000;
    await ask();
    sessions = 6000;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await ask()).toEqual({ total: 6000, totalIsEstimate: true });
  });

  it('is exact again when there are few again', async () => {
    sessions = 5000;
    await ask();
    sessions = 3;
    await jest.advanceTimersByTimeAsync(10_000);
    await ask();
    expect(await ask()).toEqual({ total: 3, totalIsEstimate: false });
  });

  it('keeps nobody waiting for longer than a second, and is there when it is counted', async () => {
    [sessions, takesMs] = [5000, 900];
    expect(await ask()).toEqual({ ...UNKNOWN, total: 1001 });
    expect(await ask()).toEqual({ total: 5000, totalIsEstimate: true });
    expect(caps).toHaveLength(2);
  });

  it('keeps no other page waiting for a minute once one has waited in vain, and is not begun meanwhile', async () => {
    [sessions, takesMs] = [5000, 4000];
    failsAbove = 1001;
    expect(await ask()).toEqual(UNKNOWN);
    await jest.advanceTimersByTimeAsync(8000);
    const began = performance.now();
    expect(await count.forList(FILTER)).toEqual({ ...UNKNOWN, total: 1001 });
    expect(await count.forList(FILTER)).toEqual({ ...UNKNOWN, total: 1001 });
    expect(performance.now()).toBe(began);
    expect(caps).toHaveLength(2);
    [takesMs, failsAbove] = [0, Infinity];
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await ask()).toEqual({ total: 5000, totalIsEstimate: true });
  });

  it('is kept where few are counted slowly twice in a row', async () => {
    takesMs = 100;
    expect(await ask()).toEqual({ total: 7, totalIsEstimate: false });
    expect(await ask()).toEqual({ total: 7, totalIsEstimate: false });
    expect(await ask()).toEqual({ total: 7, totalIsEstimate: true });
    expect(caps).toHaveLength(2);
  });

  it('is not known where it cannot be counted, and counted again for the next page', async () => {
    sessions = -1;
    expect(await ask()).toEqual(UNKNOWN);
    await expect(count.of(FILTER)).rejects.toThrow('The database is away.');
    sessions = 9;
    expect(await ask()).toEqual({ total: 9, totalIsEstimate: false });
  });
});
