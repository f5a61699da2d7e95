import type { OnlineFilter } from '../database/online-filter.js';

/** Counts up to this many are exact and made anew for each page. */
export const EXACT_UP_TO = 1000;
const KEEP_MS = 10_000;
/** Older ones are not shown. */
const TOO_OLD_MS = 50_000;
const MAX_KEPT = 100;

export interface Total {
  readonly total: number;
  /** True where `total` was counted some seconds ago, up to a minute: from 1,000 sessions on. */
  readonly totalIsEstimate: boolean;
}

interface Kept {
  /** The latest that is done; undefined before the first is. */
  done: number | undefined;
  running: Promise<number> | null;
  /** When it is counted again. */
  until: number;
}

/**
 * A number of sessions for the head of a list: exact where that is cheap. Where there are many, the first page of a list waits for
 * the count, and later ones show the last one while it is made anew, at most once in ten seconds.
 */
export class ApproximateCount {
  private readonly kept = new Map<string, Kept>();

  /** @param count counts the sessions of a filter up to a cap */
  constructor(private readonly count: (filter: OnlineFilter, cap: number) => Promise<number>) {}

  async of(filter: OnlineFilter): Promise<Total> {
    const key = JSON.stringify(filter);
    let kept = this.kept.get(key);
    if (!kept) {
      const total = await this.count(filter, EXACT_UP_TO + 1);
      if (total <= EXACT_UP_TO) return { total, totalIsEstimate: false };
      kept = this.kept.get(key) ?? this.keep(key);
    }
    const now = performance.now();
    if (now >= kept.until + TOO_OLD_MS) kept.done = undefined;
    if (!kept.running && now >= kept.until) this.countAll(kept, key, filter);
    // A list is worth more than its total: if the count takes too long, the total is what is known for certain.
    const total = kept.done ?? (await kept.running?.catch(() => EXACT_UP_TO)) ?? EXACT_UP_TO;
    return { total, totalIsEstimate: true };
  }

  private keep(key: string): Kept {
    if (this.kept.size >= MAX_KEPT) this.kept.delete(this.kept.keys().next().value!);
    const kept = { done: undefined, running: null, until: 0 };
    this.kept.set(key, kept);
    return kept;
  }

  private countAll(kept: Kept, key: string, filter: OnlineFilter): void {
    kept.running = this.count(filter, Number.MAX_SAFE_INTEGER);
    kept.running
      .then((total) => {
        kept.done = total;
        // Few enough by now to be counted for each page.
        if (total <= EXACT_UP_TO) this.kept.delete(key);
      })
      .catch(() => this.kept.delete(key))
      .finally(() => {
        kept.running = null;
        kept.until = performance.now() + KEEP_MS;
      });
  }
}
