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

interface Known {
  readonly count: Promise<number>;
  readonly until: number;
}

/** How a list is read that is not walked from its beginning to the end of the page. */
export type FilterPlan = Finding | Splitting;

/** Few sessions are found by this condition, and sorted. */
interface Finding {
  readonly by: Condition;
}

/** What is in the range of the column that the list is sorted by is walked; what is in the other ranges is little and is added. */
interface Splitting {
  readonly own: IndexRange;
  readonly others: readonly IndexRange[];
  /** The other conditions. */
  readonly rest: readonly Condition[];
}

/**
 * How a list of live sessions is best read. Sessions that a condition holds for can be found in its index and then be sorted,
 * which costs as many rows as there are; or the list is walked in its order until a page is full, which costs the fewer rows the
 * more there are. The two cost the same where there are the square root of page size times live sessions: either way it is a
 * matter of some thousand rows, and never of all.
 */
export class FilterPlans extends RealmQueries {
  private readonly counts = new Map<string, Known>();
  private live: Known | null = null;
  private liveCount: number | null = null;

  /** @param fixed up to how many are few, whatever there is; null to find out */
  constructor(
    scope: RealmScope,
    private readonly fixed: number | null,
  ) {
    super(scope);
  }

  /**
   * Null where the list is best walked.
   * @param limit sessions of a page
   * @param column that the list is sorted by first; null where what is found is not sorted
   */
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
    this.lookAtLive();
    if (this.liveCount === null) return FEW_UNTIL_KNOWN;
    return Math.min(MOST_FEW, Math.max(LEAST_FEW, Math.round(Math.sqrt(limit * this.liveCount))));
  }

  /** Nobody waits for it. */
  private lookAtLive(): void {
    const now = this.clock.monotonic();
    if (this.live && now < this.live.until) return;
    const count = this.countLive();
    this.live = { count, until: now + LIVE_KEPT_MS };
    count.then(
      (found) => (this.liveCount = found),
      () => (this.live = null),
    );
  }

  private async countLive(): Promise<number> {
    const [row] = await this.rows(sql`SELECT COUNT(*) AS total FROM ${this.tables.session} WHERE ${this.isLive()}`);
    return Number(row?.total);
  }

  private known(condition: Condition, few: number): Promise<number> {
    const key = JSON.stringify([few, condition.where.chunks, condition.where.values]);
    const known = this.counts.get(key);
    const now = this.clock.monotonic();
    if (known && now < known.until) return known.count;
    const count = this.countUpTo(few + 1, condition);
    this.counts.delete(key);
    if (this.counts.size >= MAX_KEPT) this.counts.delete(this.counts.keys().next().value!);
    this.counts.set(key, { count, until: now + KEPT_MS });
    count.catch(() => this.counts.delete(key));
    return count;
  }

  /** Sorted by the column, so that the engine reads its index and no more of it than it must. */
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
