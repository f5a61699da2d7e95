import { Body, Controller, Delete, Get, Headers, HttpCode, Ip, Param, Post, Query, UseGuards } from '@nestjs/common';
import { CurrentUser, SessionError, TokenService } from 'nestjs-latchkey';
import { type TokenAnswer, toTokenAnswer } from '../auth/token-answer.js';
import { Input, invalid } from '../http/input.js';
import type { AppUser } from '../users/app-user.entity.js';
import { UsersService } from '../users/users.service.js';
import { readBanRequest, readImpersonationRequest, readLiftBanRequest } from './account-requests.js';
import { toBanItem } from './admin-views.js';
import { NeedsRole, RolesGuard } from './roles.guard.js';

/** What the column of a name holds. */
const MAX_USERNAME = 128;

/** What an operator does to the account of a user, as opposed to one session of it. */
@Controller('admin/users/:userId')
@UseGuards(RolesGuard)
@NeedsRole('admin')
export class AccountsController {
  constructor(
    private readonly tokens: TokenService,
    private readonly users: UsersService,
  ) {}

  /** Without `service`, it ends all sessions of the user and refuses logins. */
  @Post('ban')
  @HttpCode(200)
  async ban(@Param('userId') userId: string, @Body() body: unknown, @CurrentUser('userId') by: string) {
    const request = readBanRequest(body, this.tokens.now());
    const { username } = await this.user(userId);
    const { ended } = await this.tokens.ban(username, { ...request, by });
    return { ended };
  }

  /** Also for a user who is not there any more. */
  @Delete('ban')
  async liftBan(@Param('userId') userId: string, @Query() query: unknown, @CurrentUser('userId') by: string) {
    return { lifted: await this.tokens.liftBan(userId, { ...readLiftBanRequest(query), by }) };
  }

  /** Those that are in force. */
  @Get('bans')
  async bans(@Param('userId') userId: string) {
    return { items: (await this.tokens.listBans(userId)).map(toBanItem) };
  }

  /**
   * A session as the user, for support: it stands beside those of the user, and says who it really is. Not for a user with
   * rights of an operator, which would be a way to act under another one's name.
   */
  @Post('impersonate')
  @HttpCode(200)
  async impersonate(
    @Param('userId') userId: string,
    @Body() body: unknown,
    @CurrentUser('userId') by: string,
    @Ip() ip: string,
    @Headers('user-agent') userAgent: string | undefined,
  ): Promise<TokenAnswer> {
    const request = readImpersonationRequest(body);
    const { username, role } = await this.user(userId);
    if (role !== '') throw new SessionError('FORBIDDEN');
    const claims = { username, roles: [] };
    return toTokenAnswer(await this.tokens.impersonate(username, { ...request, by, ip, userAgent, claims }));
  }

  private async user(userId: string): Promise<AppUser> {
    const user = await this.users.find(new Input({ userId }).text('userId', MAX_USERNAME));
    if (!user) throw invalid('userId', 'must be the name of a user');
    return user;
  }
}
