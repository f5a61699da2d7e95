import { Injectable } from '@nestjs/common';
import { withDeadline } from '../../async/deadline.js';
import { OnlineQueries, type OnlineSummary } from '../../database/lists/online-queries.js';

export interface KnownSummary extends OnlineSummary {
  /** True if it was counted some time ago. */
  readonly isEstimate: boolean;
}

const FRESH_MS = 2000;
/** Spends at most this share of one connection's time on counting: the slower a count, the longer it is used. */
const COST_SHARE = 1 / 20;
/** How long a page waits for a count, from its start. */
const PATIENCE_MS = 1000;
/** Maximum age of a count shown in place of a missing one. */
const TOO_OLD_MS = 600_000;

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

  /**
   * Returns the count for a page that is worth more than this number: the last one if a new one is slow or fails, else
   * null.
   */
  async soon(): Promise<KnownSummary | null> {
    const count = this.get();
    const patience = Math.max(0, this.begunAt + PATIENCE_MS - performance.now());
    return withDeadline(count, patience).catch(() => {
      const { last } = this;
      return last && performance.now() - last.at < TOO_OLD_MS ? known(last) : null;
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
