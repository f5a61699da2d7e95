import { Injectable } from '@nestjs/common';
import { withDeadline } from '../../async/deadline.js';
import { OnlineQueries, type OnlineSummary } from '../../database/lists/online-queries.js';

export interface KnownSummary extends OnlineSummary {
  /** Whether it was counted some time ago. */
  readonly isEstimate: boolean;
}

const FRESH_MS = 2000;
/** The longer a count takes, the longer it is used: it takes this part of one connection's time at most. */
const COST_SHARE = 1 / 20;
/** How long a page waits for a count, from its beginning. */
const PATIENCE_MS = 1000;
/** An older count is not shown in place of one that does not come. */
const TOO_OLD_MS = 600_000;

interface Count {
  readonly summary: OnlineSummary;
  readonly at: number;
}

/** How many are online, counted as often as it is cheap, and once for all who ask. */
@Injectable()
export class OnlineSummaries {
  private counting: Promise<Count> | null = null;
  private last: Count | null = null;
  private begunAt = 0;
  private until = -Infinity;

  constructor(private readonly online: OnlineQueries) {}

  /** Rejects as the count does, which is not begun again before its time. */
  async get(): Promise<KnownSummary> {
    if (!this.counting || performance.now() >= this.until) this.counting = this.count();
    return known(await this.counting);
  }

  /** The same for a page that is worth more than this number: the last count where a new one takes long or fails, else null. */
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
    // Until it is there, everybody waits for it.
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
