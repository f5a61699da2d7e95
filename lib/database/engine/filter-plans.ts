import { LRUCache } from 'lru-cache';
import { type Condition, type IndexRange, anyOf } from '../lists/online-filter.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { type Statement, raw, sql } from './sql.js';

/** While it is not known how many sessions are live. */
const FEW_UNTIL_KNOWN = 2000;
const MOST_FEW = 20_000;
const LEAST_FEW = 500;
const KEPT_MS = 10_000;
const MAX_KEPT = 500;
const LIVE_KEPT_MS = 60_000;

/** How a list is read that is not walked. */
export type FilterPlan = Finding | Splitting;

/** Finds the few sessions that a condition holds for, and sorts them. */
interface Finding {
  readonly by: Condition;
}

/** Walks the range of the column that the list is sorted by, and adds what is in the other ranges, which is little. */
interface Splitting {
  readonly own: IndexRange;
  readonly others: readonly IndexRange[];
  /** The other conditions. */
  readonly rest: readonly Condition[];
}

/**
 * Chooses how to read a list of live sessions. To find those that a condition holds for in its index and sort them costs as many rows
 * as there are; to walk the list in its order until a page is full costs the fewer rows the more there are. The two cost the same where
 * there are the square root of page size times live sessions: some thousand rows, never all.
 */
export class FilterPlans extends RealmQueries {
  private readonly counts = new LRUCache<string, Promise<number>>({
    max: MAX_KEPT,
    ttl: KEPT_MS,
    ttlResolution: 0,
    perf: { now: () => this.clock.monotonic() },
  });
  private liveCount: number | null = null;

  /** @param fixed up to how many are few; null to find out */
  constructor(
    scope: RealmScope,
    private readonly fixed: number | null,
  ) {
    super(scope);
  }

  /** Null where the list is best walked. @param limit sessions of a page @param column that the list is sorted by first, if any */
  async planOf(conditions: readonly Condition[], limit: number, column: string | null): Promise<FilterPlan | null> {
    if (conditions.length === 0) return null;
    const few = this.fewOf(limit);
    const counts = await Promise.all(conditions.map((condition) => this.known(condition, few)));
    const fewest = Math.min(...counts);
    if (fewest <= few) return { by: conditions[counts.indexOf(fewest)]! };
    return this.splitting(conditions, few, column);
  }

  private async splitting(conditions: readonly Condition[], few: number, column: string | null) {
    const condition = conditions.find(({ ranges }) => ranges.length > 1 && ranges.some((one) => one.column === column));
    if (!condition) return null;
    const own = condition.ranges.find((one) => one.column === column)!;
    const others = condition.ranges.filter((one) => one !== own);
    if ((await this.known(anyOf(others), few)) > few) return null;
    return { own, others, rest: conditions.filter((one) => one !== condition) };
  }

  private fewOf(limit: number): number {
    if (this.fixed !== null) return this.fixed;
    // No caller waits for it.
    this.kept('live', LIVE_KEPT_MS, () => this.countLive()).catch(() => undefined);
    if (this.liveCount === null) return FEW_UNTIL_KNOWN;
    return Math.min(MOST_FEW, Math.max(LEAST_FEW, Math.round(Math.sqrt(limit * this.liveCount))));
  }

  private async countLive(): Promise<number> {
    const [row] = await this.rows(sql`SELECT COUNT(*) AS total FROM ${this.tables.session} WHERE ${this.isLive()}`);
    return (this.liveCount = Number(row?.total));
  }

  private known(condition: Condition, few: number): Promise<number> {
    const key = JSON.stringify([few, condition.where.chunks, condition.where.values]);
    return this.kept(key, KEPT_MS, () => this.countUpTo(few + 1, condition));
  }

  private kept(key: string, ttl: number, count: () => Promise<number>): Promise<number> {
    const known = this.counts.get(key);
    if (known) return known;
    const counting = count();
    this.counts.set(key, counting, { ttl });
    counting.catch(() => this.counts.delete(key));
    return counting;
  }

  /** Sorted by the column, so that the engine reads its index, and no more than it must. */
  private async countUpTo(cap: number, { ranges }: Condition): Promise<number> {
    let sum = 0;
    for (const { column, where } of ranges) {
      const rows = await this.rows(
        sql`SELECT COUNT(*) AS total FROM (SELECT ${raw(column)} FROM ${this.tables.session} WHERE ${this.isLive()} AND ${where}
          ORDER BY ${raw(column)} LIMIT ${cap}) AS counted`,
      );
      sum += Number(rows[0]?.total);
      if (sum >= cap) break;
    }
    return sum;
  }

  private isLive(): Statement {
    return sql`realm = ${this.realm} AND status = 'live'`;
  }
}
