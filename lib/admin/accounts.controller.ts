import { Body, Delete, Get, Headers, HttpCode, Inject, Ip, Param, Post, Query } from '@nestjs/common';
import type { Duration } from '../core/duration.js';
import { SessionError, invalidArgument } from '../core/session-error.js';
import { TokenService } from '../core/token-service.js';
import { canonicalUserId } from '../core/user-key.js';
import { toBanItem } from './admin-items.js';
import { ADMIN_OPTIONS, NeedsRight } from './admin.guard.js';
import type { ResolvedAdminOptions } from './admin-options.js';
import { readReason, readUserSessionsQuery } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { OnlineUsersService } from './online-users.service.js';
import { CurrentOperator, type KnownOperator } from './operator.js';
import { PastSessions } from './past-sessions.js';
import { RequestInput } from './request-input.js';
import { UserDirectory } from './user-directory.js';

const MAX_SERVICE = 64;

/** One user, and what an operator does to the account as a whole. */
@AdminRoutes('users/:userId')
export class AccountsController {
  constructor(
    @Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions,
    private readonly online: OnlineUsersService,
    private readonly tokens: TokenService,
    private readonly users: UserDirectory,
    private readonly past: PastSessions,
  ) {}

  @Get()
  async user(@Param('userId') userId: string) {
    const id = canonicalUserId(userId);
    const [users, bans, { total }] = await Promise.all([
      this.users.describe([id]),
      this.tokens.listBans(id),
      this.online.count({ userId: id }),
    ]);
    const { username = null, avatarUrl = null } = users.get(id) ?? {};
    return { userId: id, username, avatarUrl, bans: bans.map(toBanItem), live: total };
  }

  @Get('sessions')
  async sessions(@Param('userId') userId: string, @Query() query: unknown, @CurrentOperator() operator: KnownOperator) {
    return this.past.show(await this.online.userSessions(userId, readUserSessionsQuery(query)), operator);
  }

  @Delete('sessions')
  @NeedsRight('kick')
  async kick(@Param('userId') userId: string, @Query() query: unknown, @CurrentOperator() operator: KnownOperator) {
    return { ended: await this.online.kickUser(userId, operator.userId, readReason(new RequestInput(query))) };
  }

  /** Those that are in force. */
  @Get('bans')
  async bans(@Param('userId') userId: string) {
    return { items: (await this.tokens.listBans(userId)).map(toBanItem) };
  }

  /** Without `service`, it ends all sessions of the user and refuses logins. */
  @Post('ban')
  @HttpCode(200)
  @NeedsRight('ban')
  async ban(@Param('userId') userId: string, @Body() body: unknown, @CurrentOperator() operator: KnownOperator) {
    const input = new RequestInput(body);
    const until = input.time('until');
    if (until !== undefined && until <= this.tokens.now()) throw invalidArgument('until', 'must be in the future');
    const ban = {
      until,
      reason: readReason(input),
      service: input.text('service', MAX_SERVICE),
      level: input.integer('level'),
    };
    const { ended } = await this.tokens.ban(await this.users.known(userId), { ...ban, by: operator.userId });
    return { ended };
  }

  /** Also for a user who is not there any more. */
  @Delete('ban')
  @NeedsRight('ban')
  async liftBan(@Param('userId') userId: string, @Query() query: unknown, @CurrentOperator() operator: KnownOperator) {
    const service = new RequestInput(query).text('service', MAX_SERVICE);
    return { lifted: await this.tokens.liftBan(userId, { service, by: operator.userId }) };
  }

  /** A session as the user, for support: it stands beside those of the user, and says who it really is. */
  @Post('impersonate')
  @HttpCode(200)
  @NeedsRight('impersonate')
  async impersonate(
    @Param('userId') userId: string,
    @Body() body: unknown,
    @CurrentOperator() operator: KnownOperator,
    @Ip() ip: string,
    @Headers('user-agent') userAgent: string | undefined,
  ) {
    const input = new RequestInput(body);
    const wish = { reason: readReason(input), for: input.text('for', 16) as Duration | undefined };
    const id = await this.users.known(userId);
    const allowed = await this.options.impersonate!(id, operator);
    if (!allowed) throw new SessionError('FORBIDDEN');
    const login = { ...wish, by: operator.userId, ip, userAgent, claims: allowed.claims };
    const { accessToken, expiresIn, refreshToken, refreshExpiresIn, session, ended } = await this.tokens.impersonate(
      id,
      login,
    );
    const tokens = { tokenType: 'Bearer', accessToken, expiresIn, refreshToken, refreshExpiresIn };
    return { ...tokens, sessionId: session.id, ended };
  }
}
