import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { OnlineSummaries } from 'lib/online-counts.js';
import type { OnlineQueries } from 'lib/online-queries.js';

describe('how many are online, for a page', () => {
  let takesMs: number;
  let fails: boolean;
  let counts: number;
  let summaries: OnlineSummaries;

  beforeEach(() => {
    jest.useFakeTimers();
    [takesMs, fails, counts] = [0, false, 0];
    summaries = new OnlineSummaries({
      summary: async () => {
        const sessions = ++counts;
        if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
        if (fails) throw new Error('The statement timed out.');
        return { sessions, users: 1, byDeviceType: [] };
      },
    } as unknown as OnlineQueries);
  });

  afterEach(() => void jest.useRealTimers());

  const ask = async () => {
    let told: unknown = 'nothing yet';
    void summaries.soon().then((summary) => (told = summary));
    await jest.advanceTimersByTimeAsync(1000);
    return told;
  };

  it('is counted anew when it is two seconds old', async () => {
    expect(await ask()).toMatchObject({ sessions: 1, isEstimate: false });
    await jest.advanceTimersByTimeAsync(2000);
    expect(await ask()).toMatchObject({ sessions: 2, isEstimate: false });
  });

  it('is left out after a second, and there once it is counted', async () => {
    takesMs = 4000;
    expect(await ask()).toBeNull();
    await jest.advanceTimersByTimeAsync(3000);
    expect(await ask()).toMatchObject({ sessions: 1 });
  });

  it('does not make every page wait for a count that takes long', async () => {
    takesMs = 4000;
    await ask();
    let answered = false;
    void summaries.soon().then(() => (answered = true));
    await jest.advanceTimersByTimeAsync(1);
    expect([answered, counts]).toEqual([true, 1]);
  });

  it('is the last one while a new one takes long or fails, for ten minutes', async () => {
    await ask();
    [takesMs, fails] = [5000, true];
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await ask()).toMatchObject({ sessions: 1, isEstimate: true });
    await jest.advanceTimersByTimeAsync(300_000);
    expect(await ask()).toMatchObject({ sessions: 1, isEstimate: true });
    await jest.advanceTimersByTimeAsync(300_000);
    expect(await ask()).toBeNull();
  });

  it('is not counted again at once after a count that took long and failed', async () => {
    [takesMs, fails] = [5000, true];
    await ask();
    await jest.advanceTimersByTimeAsync(90_000);
    expect([await ask(), counts]).toEqual([null, 1]);
    await jest.advanceTimersByTimeAsync(20_000);
    await ask();
    expect(counts).toBe(2);
  });
});
