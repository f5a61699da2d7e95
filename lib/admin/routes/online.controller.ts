import { Delete, Get, Param } from '@nestjs/common';
import { OperatorService } from '../../services/operator-service.js';
import { toOnlineUserItem, toSessionItem } from './admin-items.js';
import { NeedsRight } from '../access/admin.guard.js';
import { readEndedSessionsQuery, readOnlineQuery, readReason } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { type EndedSessionsQuery, OnlineUsersService } from '../lists/online-users.service.js';
import { CurrentOperator, type KnownOperator } from '../access/operator.js';
import { QueryFields } from './request-input.js';
import { withinRights } from '../access/within-rights.js';
import { PastSessions } from '../lists/past-sessions.js';
import { UserDirectory } from '../lists/user-directory.js';

/** Who is online, and who was. */
@AdminRoutes()
export class OnlineController {
  constructor(
    private readonly online: OnlineUsersService,
    private readonly operators: OperatorService,
    private readonly users: UserDirectory,
    private readonly past: PastSessions,
  ) {}

  @Get('operator')
  async operator(@CurrentOperator() { userId, session, rights }: KnownOperator) {
    const users = await this.users.describe([userId]);
    const may = (right: Parameters<typeof rights.has>[0]) => rights.has(right);
    return {
      userId,
      username: users.get(userId)?.username ?? session.userName,
      rights: {
        viewAddresses: may('viewAddresses'),
        kick: may('kick'),
        ban: may('ban'),
        impersonate: may('impersonate'),
        export: may('export'),
      },
    };
  }

  @Get('online-users')
  async list(
    @QueryFields(readOnlineQuery) { groupBy, ...asked }: ReturnType<typeof readOnlineQuery>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    const wanted = withinRights(operator, asked);
    if (groupBy) {
      const { items, ...page } = await this.online.listUsers(wanted);
      const users = await this.users.describe(items.map(({ userId }) => userId));
      return { items: items.map((item) => toOnlineUserItem(item, { users, operator })), ...page };
    }
    const { items, ...page } = await this.online.list(wanted);
    const users = await this.users.describe(items.map(({ userId }) => userId));
    return { items: items.map((item) => toSessionItem(item, { users, operator })), ...page };
  }

  @Get('ended-sessions')
  async ended(
    @QueryFields(readEndedSessionsQuery) query: EndedSessionsQuery,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return this.past.show(await this.online.endedSessions(query), operator);
  }

  @Delete('sessions/:id')
  @NeedsRight('kick')
  async kick(
    @Param('id') id: string,
    @QueryFields(readReason) reason: string | undefined,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return { ended: Number(await this.operators.kick(id, { by: operator.userId, reason })) };
  }
}
