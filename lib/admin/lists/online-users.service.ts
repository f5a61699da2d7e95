import { Injectable } from '@nestjs/common';
import type { SessionEvent } from '../../model/session-event.js';
import { SOUGHT_FIELDS, type SoughtField } from '../../model/session-fields.js';
import type { SessionRecord, SessionWithEnd, SessionDetails } from '../../model/session.js';
import { type FieldsOf, checkFields } from '../../model/checked-input.js';
import { invalidArgument } from '../../model/session-error.js';
import { type UserId, accountRef } from '../../model/user-key.js';
import {
  ONLINE_ORDERS,
  OnlineQueries,
  type OnlineSort,
  type OnlineUser,
  USER_ORDER,
} from '../../database/lists/online-queries.js';
import type { Listed, Portion } from '../../database/lists/keyset.js';
import type { OnlineFilter } from '../../database/lists/online-filter.js';
import { ENDED_ORDER, EVENT_ORDER, LOGIN_ORDER, SessionQueries } from '../../database/lists/session-queries.js';
import {
  type EndedCriteria,
  type EventCriteria,
  type OnlineCriteria,
  endedFilter,
  eventFilter,
  onlineFilter,
} from '../routes/admin-filters.js';
import { ApproximateCount, type Total } from './online-counts.js';
import { type Page, PagedList, type PageQuery } from './cursor.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { pageLimit } from '../../nest/http/request-input.js';

/** One page of live sessions. */
export interface OnlinePage extends Page<SessionDetails>, Total {}

export interface OnlineQuery extends PageQuery, OnlineCriteria {
  /** By last use or by login, latest first, or by user. Default lastSeen. */
  readonly sort?: OnlineSort;
}

export interface OnlineUsersQuery extends PageQuery, OnlineCriteria {}

const EXACT_OF_USER = 1000;

export interface UserSessionsQuery extends PageQuery {
  /** Lists past sessions instead of live ones. */
  readonly ended?: boolean;
}

export interface EndedSessionsQuery extends PageQuery, EndedCriteria {}

export interface EventsQuery extends PageQuery, EventCriteria {}

const PAGE: FieldsOf<PageQuery> = { limit: true, cursor: true };
const CRITERIA: FieldsOf<OnlineCriteria> = {
  q: true,
  addresses: true,
  userId: true,
  ip: true,
  ...(Object.fromEntries(SOUGHT_FIELDS.map((name) => [name, true])) as Record<SoughtField, true>),
  createdFrom: true,
  createdTo: true,
  seenFrom: true,
  seenTo: true,
};
const ONLINE_FIELDS: FieldsOf<OnlineQuery> = { ...PAGE, ...CRITERIA, sort: true };
const USERS_FIELDS: FieldsOf<OnlineUsersQuery> = { ...PAGE, ...CRITERIA };
const USER_SESSIONS_FIELDS: FieldsOf<UserSessionsQuery> = { ...PAGE, ended: true };
const OF_ENDS: FieldsOf<EndedCriteria> = { userId: true, reason: true, endedFrom: true, endedTo: true };
const ENDED_FIELDS: FieldsOf<EndedSessionsQuery> = { ...PAGE, ...OF_ENDS };
const OF_EVENTS: FieldsOf<EventCriteria> = {
  userId: true,
  sessionId: true,
  ip: true,
  type: true,
  from: true,
  to: true,
};
const EVENTS_FIELDS: FieldsOf<EventsQuery> = { ...PAGE, ...OF_EVENTS };

/**
 * Lists sessions and events for operators: who is online on which device and since when, past sessions, the audit
 * trail. OperatorService ends sessions. Add it to the `providers` of a module that imports SessionModule. It checks no
 * rights: guard the routes that use it, or use SessionAdminModule, which does.
 *
 * Rejects, before any query, with SessionError ARGUMENT_INVALID for an invalid argument, and CURSOR_INVALID for a
 * cursor that is truncated or from another list, order or filter.
 */
@Injectable()
export class OnlineUsersService {
  private readonly counts: ApproximateCount;

  constructor(
    private readonly online: OnlineQueries,
    private readonly queries: SessionQueries,
    private readonly runtime: SessionRuntime,
  ) {
    this.counts = new ApproximateCount(this.online);
  }

  /** Lists the live sessions of all users. */
  async list(query: OnlineQuery = {}): Promise<OnlinePage> {
    checkFields(query, 'query', ONLINE_FIELDS);
    const { sort = 'lastSeen' } = query;
    if (typeof sort !== 'string' || !Object.hasOwn(ONLINE_ORDERS, sort))
      throw invalidArgument('sort', 'must be lastSeen, login or user');
    const filter = onlineFilter(this.realm, query);
    const list = new PagedList(this.realm, `online-sessions:${sort}`, filter, ONLINE_ORDERS[sort]);
    const [page, count] = await Promise.all([
      this.sessions(query, list, (portion) => this.online.list(filter, sort, portion)),
      this.counts.forList(filter),
    ]);
    const { items } = page;
    // A complete list is more exact than an older count.
    const isWhole = !query.cursor && page.nextCursor === null;
    if (isWhole) return { ...page, total: items.length, totalIsEstimate: false };
    return { ...page, ...count, total: Math.max(count.total, items.length) };
  }

  /**
   * Iterates over the live sessions of all users, latest login first, page by page. Unlike `list`, it counts nothing.
   * @throws SessionError ARGUMENT_INVALID, before the first page
   */
  pages(query: OnlineCriteria & Pick<PageQuery, 'limit'> = {}): AsyncIterable<readonly SessionDetails[]> {
    checkFields(query, 'query', { ...CRITERIA, limit: true });
    const { limit, ...criteria } = query;
    return this.read(onlineFilter(this.realm, criteria), pageLimit(limit));
  }

  /** Counts live sessions; for one user exactly, up to 1,000. */
  async count(criteria: OnlineCriteria = {}): Promise<Total> {
    checkFields(criteria, 'criteria', CRITERIA);
    const filter = onlineFilter(this.realm, criteria);
    if (filter.account) {
      const total = await this.online.count(filter, EXACT_OF_USER + 1);
      if (total <= EXACT_OF_USER) return { total, totalIsEstimate: false };
    }
    return this.counts.of(filter);
  }

  /** Lists the users who are online, by user id, with a summary of their matching sessions. */
  async listUsers(query: OnlineUsersQuery = {}): Promise<Page<OnlineUser>> {
    checkFields(query, 'query', USERS_FIELDS);
    const filter = onlineFilter(this.realm, query);
    const list = new PagedList(this.realm, 'online-users', filter, USER_ORDER);
    return list.read(query, (portion) => this.online.users(filter, portion));
  }

  /** Lists the sessions of one user, live or past, latest login first. */
  async userSessions(userId: UserId, query: UserSessionsQuery = {}): Promise<Page<SessionWithEnd>> {
    checkFields(query, 'query', USER_SESSIONS_FIELDS);
    const { ended = false } = query;
    if (typeof ended !== 'boolean') throw invalidArgument('ended', 'must be true or false');
    const account = accountRef(this.realm, userId);
    const status = ended ? 'ended' : 'live';
    const list = new PagedList(this.realm, `${status}-sessions`, account, LOGIN_ORDER);
    return this.sessions(query, list, (portion) => this.queries.sessionsOf(account, status, portion));
  }

  /** Lists past sessions of all users, latest end first. */
  async endedSessions(query: EndedSessionsQuery = {}): Promise<Page<SessionWithEnd>> {
    checkFields(query, 'query', ENDED_FIELDS);
    const filter = endedFilter(this.realm, query);
    const list = new PagedList(this.realm, 'past-sessions', filter, ENDED_ORDER);
    return this.sessions(query, list, (portion) => this.queries.ended(filter, portion));
  }

  /** Lists the audit trail, latest first. */
  async events(query: EventsQuery = {}): Promise<Page<SessionEvent>> {
    checkFields(query, 'query', EVENTS_FIELDS);
    const filter = eventFilter(this.realm, query);
    const list = new PagedList(this.realm, 'events', filter, EVENT_ORDER);
    return list.read(query, async (portion) => {
      const events = await this.queries.events(filter, portion);
      return events.map((item) => ({ position: [item.id], item }));
    });
  }

  private async *read(filter: OnlineFilter, limit: number): AsyncGenerator<readonly SessionDetails[]> {
    for await (const records of this.online.portions(filter, limit)) {
      yield records.map((record) => this.view(record));
    }
  }

  private sessions(
    query: PageQuery,
    list: PagedList,
    rows: (portion: Portion) => Promise<readonly Listed<SessionRecord>[]>,
  ): Promise<Page<SessionWithEnd>> {
    const reading = list.read(query, rows);
    return reading.then((page) => ({ ...page, items: page.items.map((record) => this.view(record)) }));
  }

  private view(record: SessionRecord): SessionWithEnd {
    return this.runtime.activity.view(record);
  }

  private get realm(): string {
    return this.queries.realm;
  }
}
