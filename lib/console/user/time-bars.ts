export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Bar<Item> {
  readonly item: Item;
  /** Row, 0 at the top: bars of a row do not touch. */
  readonly lane: number;
  /** Place and width in per cent of the whole; a very short one is as wide as can still be clicked. */
  readonly left: number;
  readonly width: number;
}

/**
 * Lays spans of time out as bars in as few rows as their overlaps need, the earliest start first.
 * @param items with their spans in ms; those outside the window are left out, those that reach over its edge are cut
 * @param narrowest least width in per cent
 */
export function timeBars<Item extends Span>(
  items: readonly Item[],
  window: Span,
  narrowest = 0.6,
): { readonly bars: readonly Bar<Item>[]; readonly lanes: number } {
  const length = Math.max(1, window.to - window.from);
  const share = (at: number): number => ((at - window.from) / length) * 100;
  const free: number[] = [];
  const bars = items
    .filter((item) => item.to >= window.from && item.from <= window.to)
    .sort((a, b) => a.from - b.from || a.to - b.to)
    .map((item) => {
      const start = share(Math.max(item.from, window.from));
      const width = Math.max(narrowest, share(Math.min(Math.max(item.to, item.from), window.to)) - start);
      const left = Math.min(start, 100 - width);
      let lane = free.findIndex((end) => end < left);
      if (lane < 0) lane = free.length;
      free[lane] = left + width;
      return { item, lane, left, width };
    });
  return { bars, lanes: free.length };
}

const HOUR = 3_600_000;
const STEPS = [1, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760].map((hours) => hours * HOUR);

/** Points of time for the axis, at most `most`, in ms; whole hours or days of the zone with this offset from UTC in minutes. */
export function timeTicks(window: Span, offsetMinutes = 0, most = 6): number[] {
  const step = STEPS.find((each) => (window.to - window.from) / each <= most) ?? STEPS.at(-1)!;
  const offset = offsetMinutes * 60_000;
  const first = Math.ceil((window.from + offset) / step) * step - offset;
  const ticks: number[] = [];
  for (let at = first; at <= window.to && ticks.length < most; at += step) ticks.push(at);
  return ticks;
}
