import type { OnlineFilter } from '../database/online-filter.js';

/** Counts up to this many are exact and made anew for each page. */
const EXACT_UP_TO = 10_000;
const KEEP_MS = 10_000;
const MAX_KEPT = 100;

/** A number of sessions for the head of a list: exact where that is cheap, else counted once in some seconds. */
export class ApproximateCount {
  private readonly kept = new Map<string, { readonly total: Promise<number>; readonly until: number }>();

  /** @param count counts the sessions of a filter up to a cap */
  constructor(private readonly count: (filter: OnlineFilter, cap: number) => Promise<number>) {}

  async of(filter: OnlineFilter): Promise<{ total: number; totalIsEstimate: boolean }> {
    const key = JSON.stringify(filter);
    const kept = this.kept.get(key);
    if (kept && performance.now() < kept.until)
      return { total: await kept.total.catch(() => EXACT_UP_TO), totalIsEstimate: true };
    const total = await this.count(filter, EXACT_UP_TO + 1);
    if (total <= EXACT_UP_TO) return { total, totalIsEstimate: false };
    // A list is worth more than its total: if the count takes too long, the total is what is known for certain.
    return { total: await this.countAll(key, filter).catch(() => EXACT_UP_TO), totalIsEstimate: true };
  }

  private countAll(key: string, filter: OnlineFilter): Promise<number> {
    const total = this.count(filter, Number.MAX_SAFE_INTEGER);
    this.kept.delete(key);
    if (this.kept.size >= MAX_KEPT) this.kept.delete(this.kept.keys().next().value!);
    this.kept.set(key, { total, until: performance.now() + KEEP_MS });
    total.catch(() => this.kept.delete(key));
    return total;
  }
}
