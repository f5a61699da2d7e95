import type { SessionRecord } from '../../model/session.js';
import { Keyset, type Listed, type Portion, type Position, every, inListOrder } from './keyset.js';
import { type OnlineFilter, conditionsOf } from './online-filter.js';
import { LiveEpochs } from './live-epochs.js';
import { type FilterPlan, OnlinePlans } from './online-plans.js';
import { RealmQueries, type RealmScope } from './realm-queries.js';
import { optional, toRecord, toRecords, toUserId } from '../schema/session-rows.js';
import { isLiveAt, listedColumns } from '../schema/live-sessions.js';
import { type Row, type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';

export type OnlineSort = 'lastSeen' | 'login' | 'user';

const ID = { name: 'id', kind: 'hex' } as const;
const USER = [{ name: 'user_search', kind: 'hex' } as const, { name: 'user_key', kind: 'hex' } as const];

/** Latest use or login first; users by their search keys, which is nearly alphabetical. */
export const ONLINE_ORDERS: Readonly<Record<OnlineSort, Keyset>> = {
  lastSeen: new Keyset([{ name: 'last_seen_at', kind: 'number' }, ID], true, 'idx_latchkey_session_by_use'),
  login: new Keyset([{ name: 'created_at', kind: 'number' }, ID], true, 'idx_latchkey_session_by_login'),
  user: new Keyset([...USER, ID], false, 'idx_latchkey_session_find_user'),
};

export const USER_ORDER = new Keyset(USER, false, 'idx_latchkey_session_find_user');

/** A count is planned as a page of so many, as most lists are read that it stands above. */
const COUNTED_AS_PAGE = 50;

export interface OnlineUser {
  readonly userId: string;
  readonly userName: string | null;
  /** Live ones that pass the filter. */
  readonly sessions: number;
  readonly lastSeenAt: number;
  /** Sorted, without null. */
  readonly deviceTypes: readonly string[];
}

export interface OnlineSummary {
  readonly sessions: number;
  /** Null where it took too long to count them. */
  readonly users: number | null;
  /** Most first; null for sessions without a type. */
  readonly byDeviceType: readonly { readonly deviceType: string | null; readonly sessions: number }[];
}

export class OnlineQueries extends RealmQueries {
  private readonly live: LiveEpochs;
  private readonly plans: OnlinePlans;

  constructor(scope: RealmScope, few: number | null = null) {
    super(scope);
    this.live = new LiveEpochs(scope);
    this.plans = new OnlinePlans(scope, this.live, few);
  }

  async list(filter: OnlineFilter, sort: OnlineSort, portion: Portion): Promise<readonly Listed<SessionRecord>[]> {
    const order = ONLINE_ORDERS[sort];
    return order.listed(await this.sessions(filter, order, portion), toRecord);
  }

  /** All live sessions in the order of logins. */
  async *portions(filter: OnlineFilter, limit: number): AsyncGenerator<readonly SessionRecord[]> {
    let from: Position | null = null;
    do {
      const rows = await this.sessions(filter, ONLINE_ORDERS.login, { from, backwards: false, limit });
      yield toRecords(rows);
      const last = rows.at(limit - 1);
      from = last ? [Number(last.created_at), String(last.id)] : null;
    } while (from);
  }

  async places(filter: OnlineFilter, portion: Portion) {
    const order = ONLINE_ORDERS.login;
    await this.live.read();
    const plan = await this.planOf(filter, order, portion);
    const select = this.plans.selection(raw('id, created_at'), filter, plan, order, portion);
    const rows = await this.portion(select, order, portion);
    return rows.map((row) => ({ id: String(row.id), at: Number(row.created_at) }));
  }

  async summary(): Promise<OnlineSummary> {
    await this.live.read();
    const rows = await this.rows(
      sql`SELECT device_type, COUNT(*) AS sessions FROM ${this.tables.session} WHERE ${this.plans.where({})} GROUP BY device_type`,
    );
    // Grouped, which engines do by hashing: they would sort for a COUNT(DISTINCT).
    const users = await this.rows(
      sql`SELECT COUNT(*) AS users FROM (SELECT user_key FROM ${this.tables.session} WHERE ${this.plans.where({})} GROUP BY user_key) AS online`,
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

  /** Users with such live sessions, in the order of their search keys. */
  async users(filter: OnlineFilter, portion: Portion): Promise<readonly Listed<OnlineUser>[]> {
    await this.live.read();
    const columns = raw('user_search, user_key');
    const group = sql` GROUP BY ${columns}`;
    const plan = await this.planOf(filter, USER_ORDER, portion);
    const select = this.plans.selection(columns, filter, plan, USER_ORDER, portion, group);
    const found = await this.portion(select, USER_ORDER, portion, group);
    if (found.length === 0) return [];
    const keys = found.map((row) => String(row.user_key));
    const asked = conditionsOf(filter).map(({ where }) => unindexed(where));
    const rows = await this.rows(
      sql`SELECT user_key, MIN(user_id) AS user_id, MAX(user_name) AS user_name, device_type, COUNT(*) AS sessions,
        MAX(last_seen_at) AS last_seen_at FROM ${this.tables.session}
        WHERE user_key IN (${list(keys)}) AND ${every([isLiveAt(this.tables, this.realm, this.clock.now()), ...asked])}
        GROUP BY user_key, device_type`,
    );
    return USER_ORDER.listed(found, (user) => toOnlineUser(rows.filter(({ user_key }) => user_key === user.user_key)));
  }

  async keeps(filter: OnlineFilter, sessionId: string): Promise<boolean> {
    const asked = conditionsOf(filter).map(({ where }) => unindexed(where));
    const live = isLiveAt(this.tables, this.realm, this.clock.now());
    const rows = await this.rows(
      sql`SELECT 1 AS one FROM ${this.tables.session} WHERE id = ${sessionId} AND ${every([live, ...asked])}`,
    );
    return rows.length > 0;
  }

  async count(filter: OnlineFilter, cap: number): Promise<number> {
    await this.live.read();
    const plan = await this.plans.planOf(conditionsOf(filter), COUNTED_AS_PAGE, null);
    const source = plan && 'by' in plan ? this.plans.found(plan.by) : this.tables.session;
    const rows = await this.rows(
      sql`SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM ${source} WHERE ${this.plans.where(filter)} LIMIT ${cap}) AS counted`,
    );
    return Number(rows[0]?.total);
  }

  /** Counts without a cap, and in indexes alone for one condition: sessions that ran out since the last sweep are counted as well. */
  async estimate(filter: OnlineFilter): Promise<number> {
    const [condition, ...others] = conditionsOf(filter);
    if (others.length > 0) return this.count(filter, Number.MAX_SAFE_INTEGER);
    await this.live.read();
    const ids = (where: readonly Statement[]) =>
      sql`SELECT id FROM ${this.tables.session} WHERE ${every([this.live.isLive(), ...where])}`;
    const parts = condition?.ranges.map(({ where }) => ids([where])) ?? [ids([])];
    const rows = await this.rows(sql`SELECT COUNT(*) AS total FROM (${join(parts, ' UNION ')}) AS counted`);
    return Number(rows[0]?.total);
  }

  private async sessions(filter: OnlineFilter, order: Keyset, portion: Portion): Promise<readonly Row[]> {
    await this.live.read();
    const plan = await this.planOf(filter, order, portion);
    const columns = sql`${listedColumns(this.tables)}, user_search`;
    if (!plan) {
      return this.portion(this.plans.walk(columns, conditionsOf(filter), order), order, portion);
    }
    const select = this.plans.selection(order.prefixed('place_'), filter, plan, order, portion);
    const places = this.cut(select, order, portion);
    const rows = await this.rows(
      sql`SELECT ${columns} FROM (${places}) AS places JOIN ${this.tables.session} s ON id = place_id${order.order(portion, 'place_')}`,
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
