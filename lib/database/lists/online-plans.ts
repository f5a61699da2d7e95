import { LRUCache } from 'lru-cache';
import { SOUGHT_FIELDS } from '../../model/session-fields.js';
import { type Statement, join, raw, sql, unindexed } from '../engine/sql.js';
import { columnOf } from '../schema/table-names.js';
import { type Keyset, type Portion, every } from './keyset.js';
import { type Condition, type IndexRange, type OnlineFilter, anyOf, conditionsOf } from './online-filter.js';
import type { LiveEpochs } from './live-epochs.js';
import { RealmQueries, type RealmScope } from './realm-queries.js';

/** The columns that a list may be filtered, sorted and grouped by, and the id: what is found is sorted with no others. */
const SORTED_COLUMNS = raw(
  `id, realm, status, account_epoch, realm_epoch, usable_until, user_key, user_search, name_search, device_search, ip_key, last_ip_key, created_at, last_seen_at,
   ${SOUGHT_FIELDS.map((name) => columnOf(name)).join(', ')}`,
);

const FEW_UNTIL_KNOWN = 2000;
const MOST_FEW = 20_000;
const LEAST_FEW = 500;
const KEPT_MS = 10_000;
const MAX_KEPT = 500;
const LIVE_KEPT_MS = 60_000;

export type FilterPlan = Finding | Splitting;

/** Finds the few sessions that a condition holds for, and sorts them. */
interface Finding {
  readonly by: Condition;
}

/** Walks the range of the column that the list is sorted by, and adds what is in the other ranges, which is little. */
interface Splitting {
  readonly own: IndexRange;
  readonly others: readonly IndexRange[];
  readonly rest: readonly Condition[];
}

/**
 * Chooses how to read a list of live sessions: finding by an index and sorting costs all rows found, walking in order
 * costs fewer the more there are. They cost the same at the square root of page size times live sessions.
 */
export class OnlinePlans extends RealmQueries {
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
    private readonly live: LiveEpochs,
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
    const [row] = await this.rows(
      sql`SELECT COUNT(*) AS total FROM ${this.tables.session} WHERE ${this.live.isLive()}`,
    );
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
        sql`SELECT COUNT(*) AS total FROM (SELECT ${raw(column)} FROM ${this.tables.session} WHERE ${this.live.isLive()} AND ${where}
          ORDER BY ${raw(column)} LIMIT ${cap}) AS counted`,
      );
      sum += Number(rows[0]?.total);
      if (sum >= cap) break;
    }
    return sum;
  }

  /**
   * Selects sessions that contain a portion of the list; ends with its conditions. Walks what the sort column finds,
   * and adds the little that others find. @param columns some of SORTED_COLUMNS; with a GROUP BY, those of the group
   */
  selection(
    columns: Statement,
    filter: OnlineFilter,
    plan: FilterPlan | null,
    order: Keyset,
    portion: Portion,
    group?: Statement,
  ): Statement {
    const where = this.where(filter);
    if (!plan) return this.walk(columns, conditionsOf(filter), order);
    if ('by' in plan) return sql`SELECT ${columns} FROM ${this.found(plan.by)} WHERE ${where}`;
    const { own, others, rest } = plan;
    const sorted = group ? columns : SORTED_COLUMNS;
    const walked = this.walk(sorted, [anyOf([own]), ...rest], order);
    return sql`SELECT ${columns} FROM (
        SELECT * FROM (${walked}${order.after(portion)}${group ?? raw('')}${order.order(portion)}) AS walked
        UNION ALL SELECT ${sorted} FROM (${this.rowsOf(others, [own])}) AS others WHERE ${where}
      ) AS found WHERE 1 = 1`;
  }

  /**
   * Selects sessions in an order, by its index alone: PostgreSQL takes "live" and "usable" for independent, expects far
   * too few rows, and would sort all of them. Ends with its conditions. The table has the alias `s`.
   */
  walk(columns: Statement, conditions: readonly Condition[], { index, columns: [first] }: Keyset): Statement {
    const { session } = this.tables;
    const table = index === undefined ? sql`${session} s` : sql`${session} s${this.engine.dialect.through(index)}`;
    const where = conditions.map((condition) =>
      condition.ranges.every(({ column }) => column === first!.name) ? condition.where : unindexed(condition.where),
    );
    const usable = unindexed(this.live.isUsable());
    return sql`SELECT ${columns} FROM ${table} WHERE ${every([this.live.isLive(), usable, ...where])}`;
  }

  found({ ranges }: Condition): Statement {
    return sql`(${this.rowsOf(ranges)}) AS found`;
  }

  /** Each row of the ranges once; none that is in an excluded one. */
  private rowsOf(ranges: readonly IndexRange[], excluded: readonly IndexRange[] = []): Statement {
    const { combiningIndexes } = this.engine.dialect;
    const without = (others: readonly IndexRange[]) => others.map(({ where }) => sql`(${where}) IS NOT TRUE`);
    const rows = (conditions: readonly Statement[]) =>
      sql`SELECT ${SORTED_COLUMNS} FROM ${this.tables.session} WHERE ${every([this.live.isLive(), ...conditions])}`;
    if (combiningIndexes) return sql`${rows([anyOf(ranges).where, ...without(excluded)])}${combiningIndexes}`;
    const parts = ranges.map(({ where }, index) => rows([where, ...without([...excluded, ...ranges.slice(0, index)])]));
    return join(parts, ' UNION ALL ');
  }

  where(filter: OnlineFilter): Statement {
    const asked = conditionsOf(filter).map(({ where }) => where);
    return every([this.live.isLive(), this.live.isUsable(), ...asked]);
  }
}
