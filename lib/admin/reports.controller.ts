import { Get, Query } from '@nestjs/common';
import { invalidArgument } from '../core/session-error.js';
import { isSessionId } from '../core/token-codec.js';
import { accountRef } from '../core/user-key.js';
import { FailedLoginQueries } from '../database/failed-login-queries.js';
import type { Listed, Portion } from '../database/keyset.js';
import { SIGHTING_ORDER, type SightingItem, SightingQueries } from '../database/sighting-queries.js';
import { StatisticQueries } from '../database/statistic-queries.js';
import { NoActivity } from '../nest/decorators.js';
import { SessionRuntime } from '../nest/session-runtime.js';
import { networkOf } from './admin-filters.js';
import { toIso } from './admin-items.js';
import { readPage } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { oneMore, pageOf, portionOf } from './cursor.js';
import { OnlineSummaries } from './online-summary.js';
import { CurrentOperator, type KnownOperator } from './operator.js';
import { RequestInput } from './request-input.js';
import { UserDirectory } from './user-directory.js';
import { forbidAddresses } from './within-rights.js';

const MAX_HOURS = 168;

/** What was noted beside the sessions: addresses, failed logins, statistics. */
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

  /** Which sessions were used from where, and when. */
  @Get('sightings')
  async sightingList(@Query() query: unknown, @CurrentOperator() operator: KnownOperator) {
    forbidAddresses(operator, 'any');
    const input = new RequestInput(query);
    const portion = portionOf(readPage(input), SIGHTING_ORDER);
    const rows = await this.find(input, oneMore(portion));
    const { items, ...page } = pageOf(rows, portion);
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
  async failed(@Query() query: unknown, @CurrentOperator() operator: KnownOperator) {
    const input = new RequestInput(query);
    const hours = input.integer('hours') ?? 24;
    if (hours < 1 || hours > MAX_HOURS) throw invalidArgument('hours', `must be a whole number from 1 to ${MAX_HOURS}`);
    if (input.choice('by', ['user', 'ip']) === 'ip') {
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
  async stats(@Query() query: unknown) {
    const range = new RequestInput(query).choice('range', ['24h', '30d']) ?? '24h';
    const [online, series] = await Promise.all([this.summaries.get(), this.statistics.series(range)]);
    return {
      at: toIso(this.runtime.clock.now()),
      online,
      step: range === '24h' ? 'hour' : 'day',
      series: series.map((point) => ({ ...point, at: toIso(point.at) })),
    };
  }

  private find(input: RequestInput, portion: Portion): Promise<readonly Listed<SightingItem>[]> {
    const { realm } = this.runtime.options;
    const [sessionId, userId] = [input.text('sessionId', 64), input.text('userId', 1024)];
    const range = networkOf(input.text('ip', 64));
    if ([sessionId, userId, range ?? undefined].filter((one) => one !== undefined).length !== 1) {
      throw invalidArgument('ip', 'or sessionId or userId must be given, and only one of them');
    }
    if (range) {
      const [at, from, to] = [input.time('at'), input.time('from'), input.time('to')];
      return this.sightings.byAddress(range, at === undefined ? { from, to } : { from: at, to: at + 1 }, portion);
    }
    if (userId !== undefined) return this.sightings.byUser(accountRef(realm, userId), portion);
    if (!isSessionId(sessionId)) throw invalidArgument('sessionId', 'must be a session id: 32 hexadecimal digits');
    return this.sightings.bySession(sessionId, portion);
  }
}
