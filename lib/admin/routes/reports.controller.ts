import { Get } from '@nestjs/common';
import { accountRef } from '../../model/user-key.js';
import { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import type { Listed, Portion } from '../../database/lists/keyset.js';
import { SIGHTING_ORDER, type SightingItem, SightingQueries } from '../../database/lists/sighting-queries.js';
import { StatisticQueries } from '../../database/lists/statistic-queries.js';
import { NoActivity } from '../../nest/http/route-decorators.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { toIso, toEventItem } from './admin-items.js';
import { readFailedLoginsQuery, readSightingsQuery, readStatsRange, readEventsQuery } from './admin-requests.js';
import { type KnownOperator, AdminRoutes, CurrentOperator } from '../access/admin.guard.js';
import { PagedList } from '../lists/cursor.js';
import { OnlineSummaries } from '../lists/online-counts.js';
import { QueryFields } from '../../nest/http/request-input.js';
import { UserDirectory } from '../lists/user-directory.js';
import { forbidAddresses } from '../access/filter-rights.js';
import { type EventsQuery, OnlineUsersService } from '../lists/online-users.service.js';

type SightingsQuery = ReturnType<typeof readSightingsQuery>;

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

  @Get('sightings')
  async sightingList(
    @QueryFields(readSightingsQuery) query: SightingsQuery,
    @CurrentOperator() operator: KnownOperator,
  ) {
    forbidAddresses(operator, 'any');
    const { page: asked, ...wanted } = query;
    const list = new PagedList(this.runtime.options.realm, 'sightings', wanted, SIGHTING_ORDER);
    const { items, ...page } = await list.read(asked, (portion) => this.find(query, portion));
    const shown = await this.users.show(items, operator, ({ userName, firstAt, lastAt, ...item }, { users }) => ({
      ...item,
      username: (item.userId === null ? null : users.get(item.userId)?.username) ?? userName,
      firstAt: toIso(firstAt),
      lastAt: toIso(lastAt),
    }));
    return { items: shown, ...page };
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
    const items = await this.users.show(found, operator, (item, { users }) => ({
      ...item,
      username: users.get(item.userId)?.username ?? null,
      lastAt: toIso(item.lastAt),
    }));
    return { items };
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
    return { items: await this.users.show(items, operator, toEventItem), ...page };
  }
}
