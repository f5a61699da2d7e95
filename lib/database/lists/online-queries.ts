import type { SessionRecord } from '../../model/session.js';
import { type FilterPlan, FilterPlans } from '../engine/filter-plans.js';
import { Keyset, type Listed, type Portion, type Position, every, inListOrder } from './keyset.js';
import { type OnlineFilter, conditionsOf } from './online-filter.js';
import { OnlineStatements } from './online-statements.js';
import { RealmQueries, type RealmScope } from './realm-queries.js';
import {
  SESSION_COLUMNS,
  isOfRealm,
  optional,
  toRecord,
  toRecords,
  toUserId,
  usableAt,
} from '../schema/session-rows.js';
import { type Row, type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';

export type OnlineSort = 'lastSeen' | 'login' | 'user';

const ID = { name: 'id', kind: 'hex' } as const;

/** By last use and by login the latest first; by user in the order of their search keys, which is nearly that of the alphabet. */
export const ONLINE_ORDERS: Readonly<Record<OnlineSort, Keyset>> = {
  lastSeen: new Keyset([{ name: 'last_seen_at', kind: 'number' }, ID], true, 'idx_latchkey_session_by_use'),
  login: new Keyset([{ name: 'created_at', kind: 'number' }, ID], true, 'idx_latchkey_session_by_login'),
  user: new Keyset(
    [{ name: 'user_search', kind: 'hex' }, { name: 'user_key', kind: 'hex' }, ID],
    false,
    'idx_latchkey_session_find_user',
  ),
};

export const USER_ORDER = new Keyset(
  [
    { name: 'user_search', kind: 'hex' },
    { name: 'user_key', kind: 'hex' },
  ],
  false,
  'idx_latchkey_session_find_user',
);

/** With all columns that a list is sorted by. */
const LISTED_COLUMNS = sql`${SESSION_COLUMNS}, user_search`;

/** A count is planned as a page of so many, which is how most lists are read that it stands above. */
const COUNTED_AS_PAGE = 50;

/** A user with live sessions. */
export interface OnlineUser {
  readonly userId: string;
  readonly userName: string | null;
  /** Live ones, as far as they are asked for. */
  readonly sessions: number;
  readonly lastSeenAt: number;
  /** Sorted; a session without one is not in it. */
  readonly deviceTypes: readonly string[];
}

/** How many are online. */
export interface OnlineSummary {
  readonly sessions: number;
  /** Null where it took too long to count them. */
  readonly users: number | null;
  /** Most first; null for sessions without a type. */
  readonly byDeviceType: readonly { readonly deviceType: string | null; readonly sessions: number }[];
}

/** Reads of who is online. */
export class OnlineQueries extends RealmQueries {
  private readonly plans: FilterPlans;
  private readonly statements: OnlineStatements;

  /** @param few up to how many sessions are found by what is asked for and then sorted; null to find out what is best */
  constructor(scope: RealmScope, few: number | null = null) {
    super(scope);
    this.plans = new FilterPlans(scope, few);
    this.statements = new OnlineStatements(scope);
  }

  /** Live sessions in an order. */
  async list(filter: OnlineFilter, sort: OnlineSort, portion: Portion): Promise<readonly Listed<SessionRecord>[]> {
    const order = ONLINE_ORDERS[sort];
    return order.listed(await this.sessions(filter, order, portion), toRecord);
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
      this.statements.selection(raw('id, created_at'), filter, plan, order, portion),
      order,
      portion,
    );
    return rows.map((row) => ({ id: String(row.id), at: Number(row.created_at) }));
  }

  /** How many live sessions there are of each type of device, and how many users they have. */
  async summary(): Promise<OnlineSummary> {
    const rows = await this.rows(
      sql`SELECT device_type, COUNT(*) AS sessions FROM ${this.tables.session} WHERE ${this.statements.where({})} GROUP BY device_type`,
    );
    // Grouped, which engines do by hashing; they sort what is DISTINCT in a count.
    const users = await this.rows(
      sql`SELECT COUNT(*) AS users FROM (SELECT user_key FROM ${this.tables.session} WHERE ${this.statements.where({})} GROUP BY user_key) AS online`,
    ).catch(() => null);
    const byDeviceType = rows
      .map((row) => ({ deviceType: optional(row.device_type), sessions: Number(row.sessions) }))
      .sort((a, b) => b.sessions - a.sessions);
    return {
      sessions: byDeviceType.reduce((sum, { sessions }) => sum + sessions, 0),
      users: users && Number(users[0]?.users),
      byDeviceType,
    };
  }

  /** Users with such live sessions, in the order of their search keys, with what these are. */
  async users(filter: OnlineFilter, portion: Portion): Promise<readonly Listed<OnlineUser>[]> {
    const columns = raw('user_search, user_key');
    const group = sql` GROUP BY ${columns}`;
    const plan = await this.planOf(filter, USER_ORDER, portion);
    const select = this.statements.selection(columns, filter, plan, USER_ORDER, portion, group);
    const found = await this.portion(select, USER_ORDER, portion, group);
    if (found.length === 0) return [];
    const keys = found.map((row) => String(row.user_key));
    const asked = conditionsOf(filter).map(({ where }) => unindexed(where));
    const rows = await this.rows(
      sql`SELECT user_key, MIN(user_id) AS user_id, MAX(user_name) AS user_name, device_type, COUNT(*) AS sessions,
        MAX(last_seen_at) AS last_seen_at FROM ${this.tables.session}
        WHERE user_key IN (${list(keys)}) AND ${every([usableAt(this.clock.now()), ...asked])}
        GROUP BY user_key, device_type`,
    );
    return USER_ORDER.listed(found, (user) => toOnlineUser(rows.filter(({ user_key }) => user_key === user.user_key)));
  }

  /** Whether a session is live and keeps a filter. */
  async keeps(filter: OnlineFilter, sessionId: string): Promise<boolean> {
    const asked = conditionsOf(filter).map(({ where }) => unindexed(where));
    const usable = unindexed(usableAt(this.clock.now()));
    const rows = await this.rows(
      sql`SELECT 1 AS one FROM ${this.tables.session} WHERE id = ${sessionId} AND ${every([isOfRealm(this.realm), usable, ...asked])}`,
    );
    return rows.length > 0;
  }

  /** How many live sessions there are, counted up to `cap`. */
  async count(filter: OnlineFilter, cap: number): Promise<number> {
    const plan = await this.plans.planOf(conditionsOf(filter), COUNTED_AS_PAGE, null);
    const source = plan && 'by' in plan ? this.statements.found(plan.by) : this.tables.session;
    const rows = await this.rows(
      sql`SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM ${source} WHERE ${this.statements.where(filter)} LIMIT ${cap}) AS counted`,
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
    if (!plan) {
      return this.portion(this.statements.walk(LISTED_COLUMNS, filter, order), order, portion);
    }
    const places = this.cut(
      this.statements.selection(order.prefixed('place_'), filter, plan, order, portion),
      order,
      portion,
    );
    const rows = await this.rows(
      sql`SELECT ${LISTED_COLUMNS} FROM (${places}) AS places JOIN ${this.tables.session} ON id = place_id${order.order(portion, 'place_')}`,
    );
    return inListOrder(rows, portion);
  }

  private planOf(filter: OnlineFilter, order: Keyset, { limit }: Portion): Promise<FilterPlan | null> {
    return this.plans.planOf(conditionsOf(filter), limit, order.columns[0]!.name);
  }
}

/** Null where all sessions have ended since. @param groups one row for each type of device */
function toOnlineUser(groups: readonly Row[]): OnlineUser | null {
  const userId = toUserId(groups[0]?.user_id);
  if (userId === null) return null;
  return {
    userId,
    userName: optional(groups.find(({ user_name }) => user_name !== null)?.user_name),
    sessions: groups.reduce((sum, row) => sum + Number(row.sessions), 0),
    lastSeenAt: Math.max(...groups.map((row) => Number(row.last_seen_at))),
    deviceTypes: groups
      .map((row) => optional(row.device_type))
      .filter((type) => type !== null)
      .sort(),
  };
}
