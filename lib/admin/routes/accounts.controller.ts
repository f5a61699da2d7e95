import { Delete, Get, Headers, HttpCode, Inject, Ip, Param, Post } from '@nestjs/common';
import { SessionError, invalidArgument } from '../../model/session-error.js';
import { OperatorService } from '../../services/operator-service.js';
import { TokenService } from '../../services/token-service.js';
import { canonicalUserId } from '../../model/user-key.js';
import { toBanItem, PastSessions } from './admin-items.js';
import { type KnownOperator, ADMIN_OPTIONS, NeedsRight, CurrentOperator, AdminRoutes } from '../access/admin.guard.js';
import type { ResolvedAdminOptions } from '../access/admin-options.js';
import { readBan, readImpersonation, readComment, readService, readUserSessionsQuery } from './admin-requests.js';
import { OnlineUsersService, type UserSessionsQuery } from '../lists/online-users.service.js';
import { BodyFields, QueryFields } from '../../nest/http/request-input.js';
import { UserDirectory } from '../lists/user-directory.js';

@AdminRoutes('users/:userId')
export class AccountsController {
  constructor(
    @Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions,
    private readonly online: OnlineUsersService,
    private readonly operators: OperatorService,
    private readonly tokens: TokenService,
    private readonly users: UserDirectory,
    private readonly past: PastSessions,
  ) {}

  @Get()
  async user(@Param('userId') userId: string) {
    const id = canonicalUserId(userId);
    const [users, bans, { total }] = await Promise.all([
      this.users.describe([id]),
      this.operators.bans(id),
      this.online.count({ userId: id }),
    ]);
    const { username = null, avatarUrl = null } = users.get(id) ?? {};
    return { userId: id, username, avatarUrl, bans: bans.map(toBanItem), live: total };
  }

  @Get('sessions')
  async sessions(
    @Param('userId') userId: string,
    @QueryFields(readUserSessionsQuery) query: UserSessionsQuery,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return this.past.show(await this.online.userSessions(userId, query), operator);
  }

  @Delete('sessions')
  @NeedsRight('kick')
  async kick(
    @Param('userId') userId: string,
    @QueryFields(readComment) comment: string | undefined,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return { ended: await this.operators.kickUser(userId, { by: operator.userId, comment }) };
  }

  @Get('bans')
  async bans(@Param('userId') userId: string) {
    return { items: (await this.operators.bans(userId)).map(toBanItem) };
  }

  /** Without `service`, ends all sessions of the user and refuses logins. */
  @Post('ban')
  @HttpCode(200)
  @NeedsRight('ban')
  async ban(
    @Param('userId') userId: string,
    @BodyFields(readBan) ban: ReturnType<typeof readBan>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    if (ban.until !== undefined && ban.until <= this.tokens.now()) {
      throw invalidArgument('until', 'must be in the future');
    }
    const { ended } = await this.operators.ban(await this.users.known(userId), { ...ban, by: operator.userId });
    return { ended };
  }

  /** Also accepts users who no longer exist. */
  @Delete('ban')
  @NeedsRight('ban')
  async liftBan(
    @Param('userId') userId: string,
    @QueryFields(readService) service: string | undefined,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return { lifted: await this.operators.liftBan(userId, { service, by: operator.userId }) };
  }

  /** Opens a session as the user, for support. It coexists with the user's own and is marked as an impersonation. */
  @Post('impersonate')
  @HttpCode(200)
  @NeedsRight('impersonate')
  async impersonate(
    @Param('userId') userId: string,
    @BodyFields(readImpersonation) wish: ReturnType<typeof readImpersonation>,
    @CurrentOperator() operator: KnownOperator,
    @Ip() ip: string,
    @Headers('user-agent') userAgent: string | undefined,
  ) {
    const id = await this.users.known(userId);
    const allowed = await this.options.impersonate!(id, operator);
    if (!allowed) throw new SessionError('FORBIDDEN');
    if (typeof allowed.claims !== 'object') {
      const problem = 'SessionAdminModule option "impersonate" must return { claims }, or null to refuse.';
      throw new SessionError('CONFIGURATION_INVALID', problem);
    }
    const login = { ...wish, by: operator.userId, ip, userAgent, claims: allowed.claims };
    const { session, ended, ...tokens } = await this.operators.impersonate(id, login);
    const { accessToken, expiresIn, refreshToken, refreshExpiresIn } = tokens;
    const shown = { tokenType: 'Bearer', accessToken, expiresIn, refreshToken, refreshExpiresIn };
    return { ...shown, sessionId: session.id, ended };
  }
}
