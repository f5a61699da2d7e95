import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RequestBatch } from 'lib/request-batch.js';

const MOST = 64;
/** The real one. */
const { setImmediate } = globalThis;
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
/** As long as a reader of one request may go on in the turn. */
const restOfReader = async () => {
  for (let step = 0; step < 20; step++) await Promise.resolve();
};

describe('requests of one turn', () => {
  let batch: RequestBatch;
  let gone: number[];
  const come = (...requests: number[]) => {
    for (const request of requests) void batch.join().then(() => gone.push(request));
  };

  beforeEach(() => {
    batch = new RequestBatch();
    gone = [];
  });
  afterEach(() => void jest.useRealTimers());

  it('go on together when all have been read, as they came', async () => {
    come(1);
    await restOfReader();
    come(2, 3);
    await restOfReader();
    expect(gone).toEqual([]);
    await nextTurn();
    expect(gone).toEqual([1, 2, 3]);
    come(4);
    await nextTurn();
    expect(gone).toEqual([1, 2, 3, 4]);
  });

  it(`wait for no more than ${MOST} of them`, async () => {
    const [first, second] = [0, MOST].map((from) => Array.from({ length: MOST }, (_, index) => from + index));
    come(...first!.slice(0, -1));
    await restOfReader();
    expect(gone).toEqual([]);
    come(MOST - 1, MOST);
    await restOfReader();
    expect(gone).toEqual(first);
    come(...second!.slice(1));
    await restOfReader();
    expect(gone).toEqual([...first!, ...second!]);
    come(2 * MOST);
    await nextTurn();
    expect(gone).toHaveLength(2 * MOST + 1);
  });

  it('go on although the tests of an application have taken its timers away', async () => {
    jest.useFakeTimers();
    come(1);
    await nextTurn();
    expect(gone).toEqual([1]);
  });
});
