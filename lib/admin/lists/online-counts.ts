import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type OnlineSummary, OnlineQueries } from '../../database/lists/online-queries.js';
import { withDeadline } from '../../async/deadline.js';
import type { OnlineFilter } from '../../database/lists/online-filter.js';

export interface KnownSummary extends OnlineSummary {
  /** True if it was counted some time ago. */
  readonly isEstimate: boolean;
}

const FRESH_MS = 2000;
/** Spends at most this share of one connection's time on counting: the slower a count, the longer it is used. */
const COST_SHARE = 1 / 20;
/** Maximum age of a summary shown in place of a missing one. */
const SUMMARY_TOO_OLD_MS = 600_000;
/** How long a page waits for a count, from its start. */
const PATIENCE_MS = 1000;
/** How long lists skip waiting after one has waited in vain. */
const IMPATIENCE_MS = 60_000;

interface Count {
  readonly summary: OnlineSummary;
  readonly at: number;
}

/** Counts who is online, as often as is cheap, and once for all concurrent callers. */
@Injectable()
export class OnlineSummaries {
  private counting: Promise<Count> | null = null;
  private last: Count | null = null;
  private begunAt = 0;
  private until = -Infinity;

  constructor(private readonly online: OnlineQueries) {}

  /** Rejects if the count fails, and starts no other before its time. */
  async get(): Promise<KnownSummary> {
    if (!this.counting || performance.now() >= this.until) this.counting = this.count();
    return known(await this.counting);
  }

  /** Returns the last count if a new one is slow or fails; null if that is too old. */
  async soon(): Promise<KnownSummary | null> {
    const count = this.get();
    const patience = Math.max(0, this.begunAt + PATIENCE_MS - performance.now());
    return withDeadline(count, patience).catch(() => {
      const { last } = this;
      return last && performance.now() - last.at < SUMMARY_TOO_OLD_MS ? known(last) : null;
    });
  }

  private async count(): Promise<Count> {
    this.begunAt = performance.now();
    // All callers wait for it.
    this.until = Infinity;
    try {
      const summary = await this.online.summary();
      return (this.last = { summary, at: performance.now() });
    } finally {
      const at = performance.now();
      this.until = at + Math.max(FRESH_MS, (at - this.begunAt) / COST_SHARE);
    }
  }
}

function known({ summary, at }: Count): KnownSummary {
  return { ...summary, isEstimate: performance.now() - at > FRESH_MS };
}

/** Counts up to this many for each page while that is fast. Two slow counts in a row end it; a single one may be chance. */
const EXACT_UP_TO = 1000;
const QUICK_MS = 40;
const KEEP_MS = 10_000;
/** Maximum age of a displayed count. */
const TOO_OLD_MS = 60_000;
const MAX_KEPT = 100;

export interface Total {
  readonly total: number;
  /** True if `total` was counted up to a minute ago: from 1,000 sessions on, or if counting is slow. */
  readonly totalIsEstimate: boolean;
  /** True if there are at least `total`. */
  readonly totalIsMinimum?: boolean;
}

interface Kept {
  /** Last completed count; undefined before the first. */
  done?: number;
  running?: Promise<number>;
  /** Lower bound from the running count. */
  atLeast: number;
  /** Time until which lists neither wait for the first count nor start one. */
  impatientUntil: number;
  countedAt: number;
  wasSlow: boolean;
}

/** Counts sessions for the head of a list: exactly where that is fast, else at most once in ten seconds. */
export class ApproximateCount {
  private readonly kept = new LRUCache<string, Kept>({ max: MAX_KEPT });

  constructor(private readonly sessions: Pick<OnlineQueries, 'count' | 'estimate'>) {}

  /** Returns a minimum if counting is slow or fails. Later lists do not restart a slow count. */
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

  /** Rejects if the count fails. */
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
    if (!kept)
      this.kept.set(key, (kept = { countedAt: -Infinity, wasSlow: false, atLeast: 0, impatientUntil: -Infinity }));
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
