import type { SessionRecord } from '../core/session.js';
import { type FilterPlan, FilterPlans } from './filter-plans.js';
import { Keyset, type Portion, type Position, every, inListOrder } from './keyset.js';
import { type Condition, type IndexRange, type OnlineFilter, anyOf, conditionsOf } from './online-filter.js';
import { RealmQueries, type RealmScope } from './realm-queries.js';
import { SESSION_COLUMNS, optional, toRecords, toUserId, usableAt } from './session-rows.js';
import { type Row, type Statement, join, list, raw, sql } from './sql.js';

export type OnlineSort = 'lastSeen' | 'login' | 'user';

const ID = { name: 'id', kind: 'hex' } as const;

/** By last use and by login the latest first; by user in the order of their search keys, which is nearly that of the alphabet. */
export const ONLINE_ORDERS: Readonly<Record<OnlineSort, Keyset>> = {
  lastSeen: new Keyset([{ name: 'last_seen_at', kind: 'number' }, ID], true, 'idx_user_session_by_use'),
  login: new Keyset([{ name: 'created_at', kind: 'number' }, ID], true, 'idx_user_session_by_login'),
  user: new Keyset(
    [{ name: 'user_search', kind: 'hex' }, { name: 'user_key', kind: 'hex' }, ID],
    false,
    'idx_user_session_find_user',
  ),
};

export const USER_ORDER = new Keyset(
  [
    { name: 'user_search', kind: 'hex' },
    { name: 'user_key', kind: 'hex' },
  ],
  false,
  'idx_user_session_find_user',
);

/** All that a list may be filtered, sorted and grouped by, and the id: what is found is sorted with this small part of its rows. */
const SORTED_COLUMNS = raw(
  `id, realm, status, usable_until, user_key, user_search, name_search, device_search, device_type, login_method, ip_key,
   last_ip_key, created_at, last_seen_at`,
);

/** A count is planned as a page of so many, which is how most lists are read that it stands above. */
const COUNTED_AS_PAGE = 50;

/** A user with live sessions. */
export interface OnlineUser {
  readonly userSearch: string;
  readonly userKey: string;
  readonly userId: string;
  readonly userName: string | null;
  readonly sessions: number;
  readonly lastSeenAt: number;
  /** Sorted; a session without one is not in it. */
  readonly deviceTypes: readonly string[];
}

/** How many are online. */
export interface OnlineSummary {
  readonly sessions: number;
  readonly users: number;
  /** Most first; null for sessions without a type. */
  readonly byDeviceType: readonly { readonly deviceType: string | null; readonly sessions: number }[];
}

/** Reads of who is online. */
export class OnlineQueries extends RealmQueries {
  private readonly plans: FilterPlans;

  /** @param few up to how many sessions are found by what is asked for and then sorted; null to find out what is best */
  constructor(scope: RealmScope, few: number | null = null) {
    super(scope);
    this.plans = new FilterPlans(scope, few);
  }

  /** Live sessions in an order. */
  async list(filter: OnlineFilter, sort: OnlineSort, portion: Portion): Promise<readonly SessionRecord[]> {
    return toRecords(await this.sessions(filter, ONLINE_ORDERS[sort], portion));
  }

  /** All of them in the order of logins, portion by portion as they are asked for. */
  async *portions(filter: OnlineFilter, limit: number): AsyncGenerator<readonly SessionRecord[]> {
    let from: Position | null = null;
    do {
      const rows = await this.sessions(filter, ONLINE_ORDERS.login, { from, backwards: false, limit });
      yield toRecords(rows);
      const last = rows.at(limit - 1);
      from = last ? [Number(last.created_at), String(last.id)] : null;
    } while (from);
  }

  /** The same as places in the order of logins, for whoever goes through all of them. */
  async places(
    filter: OnlineFilter,
    portion: Portion,
  ): Promise<readonly { readonly id: string; readonly at: number }[]> {
    const order = ONLINE_ORDERS.login;
    const plan = await this.planOf(filter, order, portion);
    const rows = await this.portion(
      this.selection(raw('id, created_at'), filter, plan, order, portion),
      order,
      portion,
    );
    return rows.map((row) => ({ id: String(row.id), at: Number(row.created_at) }));
  }

  /** How many live sessions there are of each type of device, and how many users they have. */
  async summary(): Promise<OnlineSummary> {
    const rows = await this.rows(
      sql`SELECT device_type, COUNT(*) AS sessions FROM ${this.tables.session} WHERE ${this.where({})} GROUP BY device_type`,
    );
    const users = await this.rows(
      sql`SELECT COUNT(DISTINCT user_key) AS users FROM ${this.tables.session} WHERE ${this.where({})}`,
    );
    const byDeviceType = rows
      .map((row) => ({ deviceType: optional(row.device_type), sessions: Number(row.sessions) }))
      .sort((a, b) => b.sessions - a.sessions);
    return {
      sessions: byDeviceType.reduce((sum, { sessions }) => sum + sessions, 0),
      users: Number(users[0]?.users),
      byDeviceType,
    };
  }

  /** Users with live sessions, in the order of their search keys, with what they are online with. */
  async users(filter: OnlineFilter, portion: Portion): Promise<readonly OnlineUser[]> {
    const columns = raw('user_search, user_key');
    const group = sql` GROUP BY ${columns}`;
    const plan = await this.planOf(filter, USER_ORDER, portion);
    const select = this.selection(columns, filter, plan, USER_ORDER, portion, group);
    const found = await this.portion(select, USER_ORDER, portion, group);
    if (found.length === 0) return [];
    const keys = found.map((row) => String(row.user_key));
    const rows = await this.rows(
      sql`SELECT user_key, MIN(user_id) AS user_id, MAX(user_name) AS user_name, device_type, COUNT(*) AS sessions,
        MAX(last_seen_at) AS last_seen_at FROM ${this.tables.session}
        WHERE user_key IN (${list(keys)}) AND ${usableAt(this.clock.now())}
        GROUP BY user_key, device_type`,
    );
    return found.flatMap((row) =>
      toOnlineUser(
        row,
        rows.filter(({ user_key }) => user_key === row.user_key),
      ),
    );
  }

  /** How many live sessions there are, counted up to `cap`. */
  async count(filter: OnlineFilter, cap: number): Promise<number> {
    const plan = await this.plans.planOf(conditionsOf(filter), COUNTED_AS_PAGE, null);
    const source = plan && 'by' in plan ? this.found(plan.by) : this.tables.session;
    const rows = await this.rows(
      sql`SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM ${source} WHERE ${this.where(filter)} LIMIT ${cap}) AS counted`,
    );
    return Number(rows[0]?.total);
  }

  /**
   * The same without a cap, but for sessions whose time has run out since the last sweep, which it counts as well: so that what
   * one condition holds for can be counted in indexes, which have no row's time.
   */
  async estimate(filter: OnlineFilter): Promise<number> {
    const [condition, ...others] = conditionsOf(filter);
    if (others.length > 0) return this.count(filter, Number.MAX_SAFE_INTEGER);
    const ids = (where: readonly Statement[]) =>
      sql`SELECT id FROM ${this.tables.session} WHERE ${every([sql`realm = ${this.realm} AND status = 'live'`, ...where])}`;
    const parts = condition?.ranges.map(({ where }) => ids([where])) ?? [ids([])];
    const rows = await this.rows(sql`SELECT COUNT(*) AS total FROM (${join(parts, ' UNION ')}) AS counted`);
    return Number(rows[0]?.total);
  }

  /** A portion of a list, with all that is on record of its sessions. */
  private async sessions(filter: OnlineFilter, order: Keyset, portion: Portion): Promise<readonly Row[]> {
    const plan = await this.planOf(filter, order, portion);
    const { session } = this.tables;
    if (!plan) {
      const walked = sql`SELECT ${SESSION_COLUMNS} FROM ${this.walkedIn(order)} WHERE ${this.where(filter)}`;
      return this.portion(walked, order, portion);
    }
    const places = this.cut(this.selection(order.prefixed('place_'), filter, plan, order, portion), order, portion);
    const rows = await this.rows(
      sql`SELECT ${SESSION_COLUMNS} FROM (${places}) AS places JOIN ${session} ON id = place_id${order.order(portion, 'place_')}`,
    );
    return inListOrder(rows, portion);
  }

  private planOf(filter: OnlineFilter, order: Keyset, { limit }: Portion): Promise<FilterPlan | null> {
    return this.plans.planOf(conditionsOf(filter), limit, order.columns[0]!.name);
  }

  /**
   * A SELECT that ends with its conditions, of sessions in which a portion of the list is. What is found by the column that the list
   * is sorted by stands together in it, possibly far down: that is read in the order of the list, and what is found by another is
   * added, if it is little.
   * @param columns some of SORTED_COLUMNS; with a GROUP BY, those of the group
   */
  private selection(
    columns: Statement,
    filter: OnlineFilter,
    plan: FilterPlan | null,
    order: Keyset,
    portion: Portion,
    group?: Statement,
  ): Statement {
    const where = this.where(filter);
    if (!plan) return sql`SELECT ${columns} FROM ${this.walkedIn(order)} WHERE ${where}`;
    if ('by' in plan) return sql`SELECT ${columns} FROM ${this.found(plan.by)} WHERE ${where}`;
    const { own, others, rest } = plan;
    const sorted = group ? columns : SORTED_COLUMNS;
    const walked = sql`SELECT ${sorted} FROM ${this.walkedIn(order)} WHERE ${this.whereAll([own, ...rest])}`;
    return sql`SELECT ${columns} FROM (
        SELECT * FROM (${walked}${order.after(portion)}${group ?? raw('')}${order.order(portion)}) AS walked
        UNION ALL SELECT ${sorted} FROM (${this.rowsOf(others, [own])}) AS others WHERE ${where}
      ) AS found WHERE 1 = 1`;
  }

  /** The table, whose rows are to be read in an order. */
  private walkedIn({ index }: Keyset): Statement {
    const { session } = this.tables;
    return index === undefined ? session : sql`${session}${this.engine.dialect.through(index)}`;
  }

  /** The rows that a condition holds for. */
  private found({ ranges }: Condition): Statement {
    return sql`(${this.rowsOf(ranges)}) AS found`;
  }

  /** Each row once, although it may be in several of the ranges; none that is in an excluded one. */
  private rowsOf(ranges: readonly IndexRange[], excluded: readonly IndexRange[] = []): Statement {
    const { combiningIndexes } = this.engine.dialect;
    const without = (others: readonly IndexRange[]) => others.map(({ where }) => sql`(${where}) IS NOT TRUE`);
    const rows = (conditions: readonly Statement[]) =>
      sql`SELECT ${SORTED_COLUMNS} FROM ${this.tables.session} WHERE ${every([sql`realm = ${this.realm} AND status = 'live'`, ...conditions])}`;
    if (combiningIndexes) return sql`${rows([anyOf(ranges).where, ...without(excluded)])}${combiningIndexes}`;
    const parts = ranges.map(({ where }, index) => rows([where, ...without([...excluded, ...ranges.slice(0, index)])]));
    return join(parts, ' UNION ALL ');
  }

  private where(filter: OnlineFilter): Statement {
    return this.whereAll(conditionsOf(filter));
  }

  private whereAll(conditions: readonly { readonly where: Statement }[]): Statement {
    return every([sql`realm = ${this.realm}`, usableAt(this.clock.now()), ...conditions.map(({ where }) => where)]);
  }
}

/** None where all sessions have ended since. @param groups one row for each type of device */
function toOnlineUser(found: Row, groups: readonly Row[]): readonly OnlineUser[] {
  const userId = toUserId(groups[0]?.user_id);
  if (userId === null) return [];
  return [
    {
      userSearch: String(found.user_search),
      userKey: String(found.user_key),
      userId,
      userName: optional(groups.find(({ user_name }) => user_name !== null)?.user_name),
      sessions: groups.reduce((sum, row) => sum + Number(row.sessions), 0),
      lastSeenAt: Math.max(...groups.map((row) => Number(row.last_seen_at))),
      deviceTypes: groups
        .map((row) => optional(row.device_type))
        .filter((type) => type !== null)
        .sort(),
    },
  ];
}
