import { describe, expect, it } from '@jest/globals';
import { RowQueues } from 'lib/lane.js';

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
