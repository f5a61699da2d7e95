import { Injectable } from '@nestjs/common';
import { OnlineQueries, type OnlineSummary } from '../database/online-queries.js';

export interface KnownSummary extends OnlineSummary {
  /** Whether it was counted some time ago. */
  readonly isEstimate: boolean;
}

const FRESH_MS = 2000;
/** The longer a count takes, the longer it is used: it takes this part of one connection's time at most. */
const COST_SHARE = 1 / 20;

/** How many are online, counted as often as it is cheap, and once for all who ask. */
@Injectable()
export class OnlineSummaries {
  private counting: Promise<{ readonly summary: OnlineSummary; readonly at: number }> | null = null;
  private until = -Infinity;

  constructor(private readonly online: OnlineQueries) {}

  async get(): Promise<KnownSummary> {
    if (!this.counting || performance.now() >= this.until) this.counting = this.count();
    const { summary, at } = await this.counting;
    return { ...summary, isEstimate: performance.now() - at > FRESH_MS };
  }

  private async count() {
    const startedAt = performance.now();
    // Until it is there, everybody waits for it.
    this.until = Infinity;
    try {
      const summary = await this.online.summary();
      const at = performance.now();
      this.until = at + Math.max(FRESH_MS, (at - startedAt) / COST_SHARE);
      return { summary, at };
    } catch (error) {
      this.until = -Infinity;
      throw error;
    }
  }
}
