import {
  Delete,
  Get,
  HttpCode,
  Inject,
  Ip,
  type OnModuleInit,
  Param,
  Post,
  Req,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { LoginOptions } from '../../commands/arguments.js';
import { isObject } from '../../model/checked-input.js';
import { SessionError, invalidArgument, misused } from '../../model/session-error.js';
import type { SessionDetails, UserSession } from '../../model/session.js';
import { SessionService } from '../../services/session-service.js';
import { TokenService } from '../../services/token-service.js';
import { MAX_TOKEN_LENGTH } from '../../tokens/token-codec.js';
import { PresentedRefreshToken, PresentedToken, SessionAnswer } from '../cookies/session-answer.js';
import { AuthGuard } from '../http/auth.guard.js';
import { CurrentSession, CurrentUser, type GuardedRequest } from '../http/identity.js';
import { BodyFields, type RequestInput } from '../http/request-input.js';
import { Public } from '../http/route-decorators.js';
import { StrictJson } from '../http/route-input.js';
import { SESSION_MODULE, type SessionAuthenticator } from '../http/session-authenticator.js';

const MAX_PASSWORD = 1024;

type Reauthentication = boolean | Required<Pick<LoginOptions, 'amr'>>;

/** Checks the password of a user who is logged in. A provider of the application implements it. */
export interface Reauthenticator {
  /**
   * @returns true if the password is right, or the methods by which the user proved who they are (see LoginOptions). Nothing else
   *   counts as right
   */
  reauthenticate(session: UserSession, password: string): Reauthentication | Promise<Reauthentication>;
}

/** Provides the class of the option `reauthenticate`. */
export const REAUTHENTICATOR = Symbol('option "reauthenticate" of SessionRoutesModule');

const readRefreshToken = (input: RequestInput) => input.text('refreshToken', MAX_TOKEN_LENGTH);

/** Routes of a user for their own sessions. */
@StrictJson()
@UseGuards(AuthGuard)
export class SessionRoutesController {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
  ) {}

  /** Open, because the access token may have expired. */
  @Public()
  @SessionAnswer()
  @Post('refresh')
  @HttpCode(200)
  refresh(
    @BodyFields(readRefreshToken) _body: unknown,
    @PresentedRefreshToken() refreshToken: unknown,
    @Ip() ip: string,
    @Req() request: GuardedRequest,
  ) {
    const { activity } = this.authenticator.useOf(request, { activity: true, strict: false, renew: true });
    return this.tokens.refresh(refreshToken, { ip, activity });
  }

  /** Open, so that a token whose session has ended logs out as well (RFC 7009 section 2.2). */
  @Public()
  @SessionAnswer()
  @Post('logout')
  @HttpCode(204)
  async logout(
    @BodyFields(readRefreshToken) refreshToken: string | undefined,
    @PresentedToken() token: string | null,
    @Ip() ip: string,
  ): Promise<void> {
    for (const presented of [token, refreshToken]) if (presented) await this.tokens.logout(presented, { ip });
  }

  @Get('sessions')
  async list(@CurrentUser('userId') userId: string, @CurrentSession('id') currentId: string) {
    return { items: (await this.sessions.list(userId)).map((session) => toItem(session, currentId)) };
  }

  /** Answers alike for a session of another user, an ended one, and text that is no id. */
  @Delete('sessions/:id')
  @HttpCode(204)
  async end(@CurrentUser('userId') userId: string, @Param('id') id: string): Promise<void> {
    if (!(await this.sessions.end(userId, id))) throw new SessionError('SESSION_NOT_FOUND');
  }

  @Post('logout-others')
  @HttpCode(200)
  async endOthers(@CurrentUser('userId') userId: string, @CurrentSession('id') sessionId: string) {
    return { ended: await this.sessions.endOthers(userId, sessionId) };
  }
}

/** Route of step-up: routes with RequireFresh admit the session for a while afterwards. */
@StrictJson()
@UseGuards(AuthGuard)
export class ReauthenticationController implements OnModuleInit {
  private reauthenticator!: Reauthenticator;

  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
    private readonly modules: ModuleRef,
    @Inject(REAUTHENTICATOR) private readonly type: Type<Reauthenticator>,
  ) {}

  onModuleInit(): void {
    try {
      this.reauthenticator = this.modules.get(this.type, { strict: false });
    } catch {
      throw misused(
        `SessionRoutesModule option "reauthenticate" is ${this.type.name}, which no module provides: add it to the providers of one`,
      );
    }
    if (typeof this.reauthenticator.reauthenticate === 'function') return;
    throw misused(
      `SessionRoutesModule option "reauthenticate" is ${this.type.name}, which needs a method reauthenticate(session, password)`,
    );
  }

  @Post('reauthenticate')
  @HttpCode(204)
  async reauthenticate(
    @BodyFields(readPassword) password: string,
    @CurrentSession() session: UserSession,
    @Ip() ip: string,
  ): Promise<void> {
    const proof: unknown = await this.reauthenticator.reauthenticate(session, password);
    const { amr } = (isObject(proof) ? proof : {}) as Partial<Extract<Reauthentication, object>>;
    if (proof !== true && !Array.isArray(amr)) {
      this.tokens.recordFailedLogin(session.userId, { ip, deviceType: session.deviceType });
      throw new SessionError('BAD_CREDENTIALS');
    }
    await this.sessions.reauthenticate(session.id, { ip, amr });
  }
}

function readPassword(input: RequestInput): string {
  const password = input.text('password', MAX_PASSWORD);
  if (password === undefined) throw invalidArgument('password', 'is required');
  return password;
}

/** Users learn that support has opened a session, but neither who nor from where. */
function toItem(session: SessionDetails, currentId: string) {
  const { id, deviceType, deviceName, createdAt, lastSeenAt, expiresAt, idleMs, refreshMs } = session;
  const impersonated = session.impersonator !== null;
  return {
    sessionId: id,
    current: id === currentId,
    impersonated,
    deviceType,
    deviceName,
    ip: impersonated ? null : session.ip,
    userAgent: impersonated ? null : session.userAgent,
    createdAt: new Date(createdAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    idleMs,
    refreshMs,
  };
}
