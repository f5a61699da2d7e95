import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stack } from 'lib/stack.js';
import { timeBars, timeTicks } from 'lib/time-bars.js';
import { drawnLine, isUnfinished } from 'lib/step.js';
import { relativeParts } from 'lib/relative-time.js';

const window = { from: 1_000_000, to: 2_000_000 };
const span = fc
  .tuple(fc.integer({ min: 0, max: 3_000_000 }), fc.nat(1_000_000))
  .map(([from, length]) => ({ from, to: from + length }));

describe('time bars', () => {
  it('lie within the whole, and those of a row do not touch', () => {
    fc.assert(
      fc.property(fc.array(span), (spans) => {
        const { bars, lanes } = timeBars(spans, window);
        for (const { left, width, lane } of bars) {
          expect(left).toBeGreaterThanOrEqual(0);
          expect(left + width).toBeLessThanOrEqual(100 + 1e-9);
          expect(width).toBeGreaterThanOrEqual(0.6);
          expect(lane).toBeLessThan(lanes);
        }
        for (let lane = 0; lane < lanes; lane++) {
          const row = bars.filter((bar) => bar.lane === lane).sort((a, b) => a.left - b.left);
          expect(row.length).toBeGreaterThan(0);
          row.slice(1).forEach((bar, index) => expect(bar.left).toBeGreaterThan(row[index]!.left + row[index]!.width));
        }
      }),
    );
  });

  it('show what the window touches, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(span), (spans) => {
        const touching = spans.filter(({ from, to }) => to >= window.from && from <= window.to);
        expect(new Set(timeBars(spans, window).bars.map((bar) => bar.item))).toEqual(new Set(touching));
      }),
    );
  });

  it('stand where their time is', () => {
    const { bars } = timeBars(
      [
        { from: 1_250_000, to: 1_500_000 },
        { from: 0, to: 1_100_000 },
      ],
      window,
    );
    expect(bars.map(({ left, width, lane }) => ({ left, width, lane }))).toEqual([
      { left: 0, width: 10, lane: 0 },
      { left: 25, width: 25, lane: 0 },
    ]);
  });

  it('end at the edge where a session has only just begun', () => {
    const [bar] = timeBars([{ from: window.to, to: window.to }], window).bars;
    expect(bar).toMatchObject({ left: 99.4, width: 0.6 });
  });

  it('need as many rows as there are sessions at once', () => {
    const spans = [1, 2, 3].map((n) => ({ from: 1_000_000 + n, to: 1_900_000 }));
    expect(timeBars(spans, window).lanes).toBe(3);
  });
});

describe('the ticks of the time axis', () => {
  it('are at most six, in the window, at whole hours of the zone', () => {
    const hour = 3_600_000;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 * 24 }), fc.integer({ min: 0, max: 2e12 }), (hours, from) => {
        const ticks = timeTicks({ from, to: from + hours * hour }, 330);
        expect(ticks.length).toBeLessThanOrEqual(6);
        expect(ticks.length).toBeGreaterThan(0);
        for (const tick of ticks) {
          expect(tick).toBeGreaterThanOrEqual(from);
          expect(tick).toBeLessThanOrEqual(from + hours * hour);
          expect((tick + 330 * 60_000) % hour).toBe(0);
        }
      }),
    );
  });
});

describe('a stack', () => {
  it('puts the layers on each other in the given order, the topmost first, without empty ones', () => {
    expect(
      stack(
        [
          { b: 2, a: 1 },
          { a: 3, x: 1 },
        ],
        ['a', 'none', 'b'],
      ),
    ).toEqual([
      { name: 'x', edge: [3, 4], values: [0, 1] },
      { name: 'b', edge: [3, 3], values: [2, 0] },
      { name: 'a', edge: [1, 3], values: [1, 3] },
    ]);
  });
});

describe('a step of the statistics', () => {
  const at = Date.UTC(2026, 2, 29, 0);
  it.each([
    ['hour', 0, true],
    ['hour', 3_599_999, true],
    ['hour', 3_600_000, false],
    ['day', 86_399_999, true],
    ['day', 86_400_000, false],
  ] as const)('of one %s goes on after %d ms: %s', (step, after, goesOn) => {
    expect(isUnfinished(at, step, at + after)).toBe(goesOn);
  });

  it('that goes on is drawn apart, and one without a number is a gap and no 0', () => {
    expect(drawnLine([1, null, 3, 0], true, true)).toEqual({
      finished: [1, null, 3, null],
      unfinished: [null, null, 3, 0],
    });
    expect(drawnLine([1, 2, null], true, false)).toEqual({ finished: [1, 2, null], unfinished: [null, null, null] });
    expect(drawnLine([1, null, 3], false, true)).toEqual({ finished: [1, null, 3], unfinished: null });
  });
});

describe('how far a time is', () => {
  it.each([
    [-1_000, { value: -1, unit: 'second' }],
    [-59_999, { value: -59, unit: 'second' }],
    [-60_000, { value: -1, unit: 'minute' }],
    [7_200_000, { value: 2, unit: 'hour' }],
    [-86_400_000 * 45, { value: -1, unit: 'month' }],
  ])('%d ms: %j', (distance, parts) => expect(relativeParts(1e12 + distance, 1e12)).toEqual(parts));
});
