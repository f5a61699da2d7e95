import { Body, Controller, Headers, HttpCode, Ip, Post } from '@nestjs/common';
import { CurrentSession, CurrentUser, type EndedSessionSummary, Public, TokenService } from 'nestjs-latchkey';
import { AuthService } from './auth.service.js';
import { bearerToken } from './bearer-token.js';
import { readChangePasswordRequest, readLoginRequest } from './requests.js';

interface LoginAnswer {
  readonly tokenType: 'Bearer';
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly sessionId: string;
  readonly ended: readonly EndedSessionSummary[];
}

@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly tokens: TokenService,
  ) {}

  @Public()
  @Post('login')
  @HttpCode(200)
  async login(
    @Body() body: unknown,
    @Ip() ip: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Headers('authorization') authorization: string | undefined,
  ): Promise<LoginAnswer> {
    const client = { ip, userAgent, presentedToken: bearerToken(authorization) };
    const { accessToken, expiresIn, session, ended } = await this.auth.login(readLoginRequest(body), client);
    return { tokenType: 'Bearer', accessToken, expiresIn, sessionId: session.id, ended };
  }

  /** Open, so that a token that has expired or whose session has ended logs out like any other (RFC 7009 2.2). */
  @Public()
  @Post('logout')
  @HttpCode(204)
  async logout(@Headers('authorization') authorization: string | undefined): Promise<void> {
    await this.tokens.logout(bearerToken(authorization));
  }

  @Post('logout-others')
  @HttpCode(200)
  async logoutOthers(@CurrentUser('userId') userId: string, @CurrentSession('id') sessionId: string) {
    return { ended: await this.tokens.logoutOthers(userId, sessionId) };
  }

  @Post('change-password')
  @HttpCode(200)
  async changePassword(
    @Body() body: unknown,
    @CurrentUser('userId') userId: string,
    @CurrentSession('id') sessionId: string,
  ) {
    return { ended: await this.auth.changePassword(userId, sessionId, readChangePasswordRequest(body)) };
  }
}
