import { Get } from '@nestjs/common';
import { accountRef } from '../../model/user-key.js';
import { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import type { Listed, Portion } from '../../database/lists/keyset.js';
import { SIGHTING_ORDER, type SightingItem, SightingQueries } from '../../database/lists/sighting-queries.js';
import { StatisticQueries } from '../../database/lists/statistic-queries.js';
import { NoActivity } from '../../nest/http/route-rules.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { toIso, toEventItem } from './admin-items.js';
import { readFailedLoginsQuery, readSightingsQuery, readStatsRange, readEventsQuery } from './admin-requests.js';
import { type KnownOperator, AdminRoutes, CurrentOperator } from '../access/admin.guard.js';
import { PagedList, oneMore } from '../lists/cursor.js';
import { OnlineSummaries } from '../lists/online-counts.js';
import { QueryFields } from './request-input.js';
import { UserDirectory } from '../lists/user-directory.js';
import { forbidAddresses } from '../access/filter-rights.js';
import { type EventsQuery, OnlineUsersService } from '../lists/online-users.service.js';

type SightingsQuery = ReturnType<typeof readSightingsQuery>;

/** Journal beside the sessions: addresses, failed logins, statistics. */
@AdminRoutes()
export class ReportsController {
  constructor(
    private readonly sightings: SightingQueries,
    private readonly failedLogins: FailedLoginQueries,
    private readonly statistics: StatisticQueries,
    private readonly summaries: OnlineSummaries,
    private readonly users: UserDirectory,
    private readonly runtime: SessionRuntime,
  ) {}

  /** Lists which sessions were used from where, and when. */
  @Get('sightings')
  async sightingList(
    @QueryFields(readSightingsQuery) query: SightingsQuery,
    @CurrentOperator() operator: KnownOperator,
  ) {
    forbidAddresses(operator, 'any');
    const { page: asked, ...wanted } = query;
    const list = new PagedList(this.runtime.options.realm, 'sightings', wanted, SIGHTING_ORDER);
    const portion = list.portion(asked);
    const rows = await this.find(query, oneMore(portion));
    const { items, ...page } = list.page(rows, portion);
    const users = await this.users.describe(items.flatMap(({ userId }) => userId ?? []));
    return {
      items: items.map(({ userName, firstAt, lastAt, ...item }) => ({
        ...item,
        username: (item.userId === null ? null : users.get(item.userId)?.username) ?? userName,
        firstAt: toIso(firstAt),
        lastAt: toIso(lastAt),
      })),
      ...page,
    };
  }

  @Get('failed-logins')
  async failed(
    @QueryFields(readFailedLoginsQuery) { by, hours }: ReturnType<typeof readFailedLoginsQuery>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    if (by === 'ip') {
      forbidAddresses(operator, 'any');
      const found = await this.failedLogins.byAddress(hours);
      return { items: found.map((item) => ({ ...item, lastAt: toIso(item.lastAt) })) };
    }
    const found = await this.failedLogins.byUser(hours);
    const users = await this.users.describe(found.map(({ userId }) => userId));
    return {
      items: found.map((item) => ({
        ...item,
        username: users.get(item.userId)?.username ?? null,
        lastAt: toIso(item.lastAt),
      })),
    };
  }

  @Get('stats')
  @NoActivity()
  async stats(@QueryFields(readStatsRange) range: ReturnType<typeof readStatsRange>) {
    const [online, series] = await Promise.all([this.summaries.soon(), this.statistics.series(range)]);
    return {
      at: toIso(this.runtime.clock.now()),
      online,
      step: range === '24h' ? 'hour' : 'day',
      series: series.map((point) => ({ ...point, at: toIso(point.at) })),
    };
  }

  private find(query: SightingsQuery, portion: Portion): Promise<readonly Listed<SightingItem>[]> {
    const { range, times, sessionId, userId } = query;
    if (range) return this.sightings.byAddress(range, times, portion);
    if (sessionId !== undefined) return this.sightings.bySession(sessionId, portion);
    return this.sightings.byUser(accountRef(this.runtime.options.realm, userId), portion);
  }
}

/** The audit trail. */
@AdminRoutes('events')
export class EventsController {
  constructor(
    private readonly online: OnlineUsersService,
    private readonly users: UserDirectory,
  ) {}

  @Get()
  async list(@QueryFields(readEventsQuery) wanted: EventsQuery, @CurrentOperator() operator: KnownOperator) {
    forbidAddresses(operator, wanted.ip);
    const { items, ...page } = await this.online.events(wanted);
    const users = await this.users.describe(items.flatMap(({ userId }) => userId ?? []));
    return { items: items.map((item) => toEventItem(item, { users, operator })), ...page };
  }
}
