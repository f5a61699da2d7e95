import { SOUGHT_FIELDS } from '../../model/session-fields.js';
import type { FilterPlan } from '../engine/filter-plans.js';
import { type Keyset, type Portion, every } from './keyset.js';
import { type Condition, type IndexRange, type OnlineFilter, anyOf, conditionsOf } from './online-filter.js';
import type { RealmScope } from './realm-queries.js';
import { usableAt } from '../schema/session-rows.js';
import { columnOf } from '../schema/table-names.js';
import { type Statement, join, raw, sql, unindexed } from '../engine/sql.js';

/** The columns that a list may be filtered, sorted and grouped by, and the id: what is found is sorted with no others. */
const SORTED_COLUMNS = raw(
  `id, realm, status, usable_until, user_key, user_search, name_search, device_search, ip_key, last_ip_key, created_at, last_seen_at,
   ${SOUGHT_FIELDS.map((name) => columnOf(name)).join(', ')}`,
);

/** Statements that read lists of live sessions as a plan says. */
export class OnlineStatements {
  constructor(private readonly scope: Pick<RealmScope, 'engine' | 'tables' | 'realm' | 'clock'>) {}

  /**
   * A SELECT that ends with its conditions, of sessions that contain a portion of the list. What is found by the column that the list
   * is sorted by stands together in it: that is walked, and what is found by another is added, if it is little.
   * @param columns some of SORTED_COLUMNS; with a GROUP BY, those of the group
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
   * A SELECT that ends with its conditions, of sessions that are to be read in an order. Only the column of the order is answered by an
   * index: PostgreSQL takes "live" and "usable" for independent, expects far too few rows, and would sort all of them.
   */
  walk(columns: Statement, conditions: readonly Condition[], { index, columns: [first] }: Keyset): Statement {
    const { session } = this.scope.tables;
    const table = index === undefined ? session : sql`${session}${this.scope.engine.dialect.through(index)}`;
    const where = conditions.map((condition) =>
      condition.ranges.every(({ column }) => column === first!.name) ? condition.where : unindexed(condition.where),
    );
    const usable = unindexed(sql`usable_until > ${this.scope.clock.now()}`);
    return sql`SELECT ${columns} FROM ${table} WHERE ${every([this.isLive(), usable, ...where])}`;
  }

  found({ ranges }: Condition): Statement {
    return sql`(${this.rowsOf(ranges)}) AS found`;
  }

  /** Each row of the ranges once; none that is in an excluded one. */
  private rowsOf(ranges: readonly IndexRange[], excluded: readonly IndexRange[] = []): Statement {
    const { combiningIndexes } = this.scope.engine.dialect;
    const without = (others: readonly IndexRange[]) => others.map(({ where }) => sql`(${where}) IS NOT TRUE`);
    const rows = (conditions: readonly Statement[]) =>
      sql`SELECT ${SORTED_COLUMNS} FROM ${this.scope.tables.session} WHERE ${every([this.isLive(), ...conditions])}`;
    if (combiningIndexes) return sql`${rows([anyOf(ranges).where, ...without(excluded)])}${combiningIndexes}`;
    const parts = ranges.map(({ where }, index) => rows([where, ...without([...excluded, ...ranges.slice(0, index)])]));
    return join(parts, ' UNION ALL ');
  }

  where(filter: OnlineFilter): Statement {
    return every([
      sql`realm = ${this.scope.realm}`,
      usableAt(this.scope.clock.now()),
      ...conditionsOf(filter).map(({ where }) => where),
    ]);
  }

  private isLive(): Statement {
    return sql`realm = ${this.scope.realm} AND status = 'live'`;
  }
}
