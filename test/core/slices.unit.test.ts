import { expect, it } from '@jest/globals';
import { inSlices } from 'lib/slices.js';

it('works on thousands of items in turns between which other work has its turn', async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  let between = 0;
  const other = () => {
    between++;
    if (done.length < 2001) setImmediate(other);
  };
  setImmediate(other);
  await inSlices(Array(2001).keys(), async (item) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    done.push(item);
  });
  expect(done).toEqual([...Array(2001).keys()]);
  expect(most).toBe(500);
  expect(between).toBeGreaterThanOrEqual(4);
});
