import { Controller, Delete, Get, Param, Query, UseGuards } from '@nestjs/common';
import { CurrentUser, TokenService } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { readEventsQuery, readOnlineQuery, readUserSessionsQuery } from './admin-queries.js';
import { toEventItem, toPastSessionItem, toSessionItem } from './admin-views.js';
import { NeedsRole, RolesGuard } from './roles.guard.js';

@Controller('admin')
@UseGuards(RolesGuard)
@NeedsRole('admin')
export class AdminController {
  constructor(
    private readonly onlineUsers: OnlineUsersService,
    private readonly tokens: TokenService,
  ) {}

  @Get('online-users')
  async list(@Query() query: unknown) {
    const { items, ...page } = await this.onlineUsers.list(readOnlineQuery(query));
    return { items: items.map(toSessionItem), ...page };
  }

  @Get('users/:userId/sessions')
  async userSessions(@Param('userId') userId: string, @Query() query: unknown) {
    const { items, ...page } = await this.onlineUsers.userSessions(userId, readUserSessionsQuery(query));
    return { items: items.map(toPastSessionItem), ...page };
  }

  @Delete('users/:userId/sessions')
  async kickUser(@Param('userId') userId: string, @CurrentUser('userId') by: string) {
    return { ended: await this.onlineUsers.kickUser(userId, by) };
  }

  @Delete('sessions/:id')
  async kickSession(@Param('id') id: string, @CurrentUser('userId') by: string) {
    return { ended: await this.onlineUsers.kickSession(id, by) };
  }

  /** What the session of a replaced login left behind, with ON_REPLACE=keep; and what a live one holds. */
  @Get('sessions/:id/token-data')
  async tokenData(@Param('id') id: string) {
    return { data: await this.tokens.sessionData(id).entries() };
  }

  @Get('events')
  async events(@Query() query: unknown) {
    const { items, ...page } = await this.onlineUsers.events(readEventsQuery(query));
    return { items: items.map(toEventItem), ...page };
  }
}
