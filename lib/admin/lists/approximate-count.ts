import { withDeadline } from '../../async/deadline.js';
import type { OnlineFilter } from '../../database/lists/online-filter.js';
import type { OnlineQueries } from '../../database/lists/online-queries.js';

/** Up to so many are counted for each page, where that is quick: not slow twice in a row, as it may be once by chance. */
const EXACT_UP_TO = 1000;
const QUICK_MS = 40;
/** How long a list waits for its total, and for how long none waits any more after one has waited in vain. */
const PATIENCE_MS = 1000;
const IMPATIENCE_MS = 60_000;
const KEEP_MS = 10_000;
/** Older ones are not shown. */
const TOO_OLD_MS = 60_000;
const MAX_KEPT = 100;

export interface Total {
  readonly total: number;
  /** True where `total` was counted some seconds ago, up to a minute: from 1,000 sessions on, or where to count them takes its time. */
  readonly totalIsEstimate: boolean;
  /** True where nobody knows how many there are besides. */
  readonly totalIsMinimum?: boolean;
}

interface Kept {
  /** The last count that is done; undefined before the first is. */
  done?: number;
  running?: Promise<number>;
  /** How many there are at least, as far as the count has come. */
  atLeast: number;
  /** Until then lists do not wait for the first count, and do not begin one. */
  impatientUntil: number;
  countedAt: number;
  wasSlow: boolean;
}

/**
 * A number of sessions for the head of a list: exact where that is quick. Elsewhere the first page waits for the count a little, and
 * later ones show the last one while it is made anew, at most once in ten seconds.
 */
export class ApproximateCount {
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly sessions: Pick<OnlineQueries, 'count' | 'estimate'>) {}

  /**
   * For a list, which is worth more than its total: it is answered without one if that takes too long or fails. A count that
   * takes too long is not even begun for the next ones, or a database that is slow at it would do nothing else.
   */
  async forList(filter: OnlineFilter): Promise<Total> {
    const key = JSON.stringify(filter);
    const kept = this.keptOf(key);
    if (kept.done === undefined && performance.now() < kept.impatientUntil) return minimumOf(kept);
    try {
      return await withDeadline(this.totalOf(key, kept, filter), PATIENCE_MS);
    } catch {
      if (kept.running) kept.impatientUntil = performance.now() + IMPATIENCE_MS;
      return minimumOf(kept);
    }
  }

  /** Rejects as the count does. */
  async of(filter: OnlineFilter): Promise<Total> {
    const key = JSON.stringify(filter);
    return this.totalOf(key, this.keptOf(key), filter);
  }

  private async totalOf(key: string, kept: Kept, filter: OnlineFilter): Promise<Total> {
    const age = performance.now() - kept.countedAt;
    if (age >= TOO_OLD_MS) delete kept.done;
    if (age >= KEEP_MS) this.refresh(key, kept, filter);
    if (kept.done !== undefined) return { total: kept.done, totalIsEstimate: true };
    const total = await kept.running!;
    return { total, totalIsEstimate: total > EXACT_UP_TO };
  }

  private keptOf(key: string): Kept {
    let kept = this.kept.get(key);
    if (!kept) {
      kept = { countedAt: -Infinity, wasSlow: false, atLeast: 0, impatientUntil: -Infinity };
      if (this.kept.size >= MAX_KEPT) this.kept.delete(this.kept.keys().next().value!);
      this.kept.set(key, kept);
    }
    return kept;
  }

  private refresh(key: string, kept: Kept, filter: OnlineFilter): void {
    if (kept.running) return;
    kept.running = this.countFor(key, kept, filter).finally(() => delete kept.running);
    kept.running.catch(() => {
      if (performance.now() >= kept.impatientUntil) this.kept.delete(key);
    });
  }

  private async countFor(key: string, kept: Kept, filter: OnlineFilter): Promise<number> {
    const began = performance.now();
    let total = await this.sessions.count(filter, EXACT_UP_TO + 1);
    const isSlow = performance.now() - began >= QUICK_MS;
    kept.atLeast = total;
    if (total > EXACT_UP_TO) {
      total = await this.sessions.estimate(filter);
    } else if (!isSlow) {
      this.kept.delete(key);
    } else if (!kept.wasSlow) {
      kept.wasSlow = true;
      return total;
    }
    kept.done = total;
    kept.countedAt = performance.now();
    return total;
  }
}

function minimumOf({ atLeast }: Kept): Total {
  return { total: atLeast, totalIsEstimate: true, totalIsMinimum: true };
}
