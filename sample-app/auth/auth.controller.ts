import { Get, Headers, HttpCode, Ip, Post, Res } from '@nestjs/common';
import {
  CurrentSession,
  CurrentUser,
  LoginDetails,
  PresentedRefreshToken,
  PresentedToken,
  Public,
  SessionAnswer,
  SessionService,
  TokenService,
  type UserSession,
} from 'nestjs-latchkey';
import { BodyInput, JsonRoutes } from '../http/input.js';
import { AuthService } from './auth.service.js';
import {
  type ChangePasswordRequest,
  type LoginRequest,
  readChangePasswordRequest,
  readConfirmPasswordRequest,
  readLoginRequest,
  readRefreshRequest,
} from './requests.js';

@JsonRoutes('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  @Public()
  @SessionAnswer()
  @Post('login')
  @HttpCode(200)
  login(@BodyInput(readLoginRequest) request: LoginRequest, @LoginDetails() client: LoginDetails) {
    return this.auth.login(request, client);
  }

  /** Open: the access token may have expired, and the refresh token says who asks. */
  @Public()
  @SessionAnswer()
  @Post('refresh')
  @HttpCode(200)
  refresh(
    @BodyInput(readRefreshRequest) _body: unknown,
    @PresentedRefreshToken() refreshToken: unknown,
    @Ip() ip: string,
    @Headers('x-no-activity') noActivity: string | undefined,
  ) {
    return this.tokens.refresh(refreshToken, { ip, activity: noActivity !== '1' });
  }

  /** Open, so that a token that has expired or whose session has ended logs out like any other (RFC 7009 2.2). */
  @Public()
  @SessionAnswer()
  @Post('logout')
  @HttpCode(204)
  async logout(
    @BodyInput(readRefreshRequest) refreshToken: string | undefined,
    @PresentedToken() token: string | null,
    @Ip() ip: string,
  ): Promise<void> {
    for (const presented of [token, refreshToken]) if (presented) await this.tokens.logout(presented, { ip });
  }

  /** Tells a gateway who asks: nginx, Traefik or Envoy in front of other services (docs/gateways.md). */
  @Get('verify')
  verify(
    @CurrentUser('userId') userId: string,
    @CurrentSession('id') sessionId: string,
    @Res({ passthrough: true }) response: { header(name: string, value: string): unknown },
  ): void {
    response.header('X-User-Id', encodeURIComponent(userId));
    response.header('X-Session-Id', sessionId);
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
