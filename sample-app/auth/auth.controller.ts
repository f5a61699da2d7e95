import { Headers, HttpCode, Ip, Post } from '@nestjs/common';
import { CurrentSession, CurrentUser, Public, SessionService, TokenService, type UserSession } from 'nestjs-latchkey';
import { BodyInput, JsonRoutes } from '../http/input.js';
import { AuthService } from './auth.service.js';
import { bearerToken } from './bearer-token.js';
import {
  type ChangePasswordRequest,
  type LoginRequest,
  readChangePasswordRequest,
  readConfirmPasswordRequest,
  readLoginRequest,
  readLogoutRequest,
  readRefreshRequest,
} from './requests.js';
import { type TokenAnswer, toTokenAnswer } from './token-answer.js';

@JsonRoutes('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  @Public()
  @Post('login')
  @HttpCode(200)
  async login(
    @BodyInput(readLoginRequest) request: LoginRequest,
    @Ip() ip: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Headers('authorization') authorization: string | undefined,
  ): Promise<TokenAnswer> {
    const client = { ip, userAgent, presentedToken: bearerToken(authorization) };
    return toTokenAnswer(await this.auth.login(request, client));
  }

  /** Open: the access token may have expired, and the refresh token says who asks. */
  @Public()
  @Post('refresh')
  @HttpCode(200)
  async refresh(
    @BodyInput(readRefreshRequest) refreshToken: string,
    @Ip() ip: string,
    @Headers('x-no-activity') noActivity: string | undefined,
  ): Promise<TokenAnswer> {
    return toTokenAnswer(await this.tokens.refresh(refreshToken, { ip, activity: noActivity !== '1' }));
  }

  /** Open, so that a token that has expired or whose session has ended logs out like any other (RFC 7009 2.2). */
  @Public()
  @Post('logout')
  @HttpCode(204)
  async logout(
    @BodyInput(readLogoutRequest) refreshToken: string | undefined,
    @Headers('authorization') authorization: string | undefined,
    @Ip() ip: string,
  ): Promise<void> {
    const presented = [bearerToken(authorization), refreshToken];
    for (const token of presented) if (token) await this.tokens.logout(token, { ip });
  }

  @Post('logout-others')
  @HttpCode(200)
  async logoutOthers(@CurrentUser('userId') userId: string, @CurrentSession('id') sessionId: string) {
    return { ended: await this.sessions.endOthers(userId, sessionId) };
  }

  @Post('change-password')
  @HttpCode(200)
  async changePassword(
    @BodyInput(readChangePasswordRequest) request: ChangePasswordRequest,
    @CurrentUser('userId') userId: string,
    @CurrentSession('id') sessionId: string,
  ) {
    return { ended: await this.auth.changePassword(userId, sessionId, request) };
  }

  /** Step-up: routes with `@RequireFresh` let the session pass for a while from now on. */
  @Post('confirm-password')
  @HttpCode(204)
  async confirmPassword(
    @BodyInput(readConfirmPasswordRequest) password: string,
    @CurrentSession() session: UserSession,
    @Ip() ip: string,
  ): Promise<void> {
    await this.auth.confirmPassword(session, password, ip);
  }
}
