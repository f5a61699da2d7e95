/** What an application writes, for the compiler: with the types of Nest 11, and in every way in which TypeScript finds modules. */
import {
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  type INestApplication,
  Module,
  ParseIntPipe,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  AuthGuard,
  CheckBan,
  CurrentSession,
  CurrentUser,
  NoActivity,
  Public,
  RequireFresh,
  Sensitive,
  OperatorService,
  SessionModule,
  SessionService,
  TokenService,
  type UserSession,
  singleDevice,
} from 'nestjs-latchkey';
import { OnlineUsersService, SessionAdminModule } from 'nestjs-latchkey/admin';
import { createSessionClient } from 'nestjs-latchkey/client';
import { jwt } from 'nestjs-latchkey/jwt';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { redis } from 'nestjs-latchkey/redis';
import { SessionHealthIndicator } from 'nestjs-latchkey/terminus';
import { ManualClock, SessionTestingModule, actingAs, fakeAuthGuard } from 'nestjs-latchkey/testing';

class ActiveGuard extends AuthGuard {
  override handleRequest<T>(error: unknown, user: T, info: unknown, context: ExecutionContext, status?: unknown): T {
    if (user && (user as { suspended?: boolean }).suspended) throw new ForbiddenException();
    return super.handleRequest(error, user, info, context, status);
  }

  override getAuthenticateOptions(context: ExecutionContext) {
    return super.getAuthenticateOptions(context);
  }
}

@Controller()
export class MeController {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
    private readonly operators: OperatorService,
  ) {}

  @Get('me')
  @UseGuards(ActiveGuard)
  @Sensitive()
  @NoActivity()
  @CheckBan('comment')
  @RequireFresh('10m')
  me(
    @CurrentUser() user: { userId: string },
    @CurrentUser('number', ParseIntPipe) number: number,
    @CurrentUser(new ParseIntPipe()) piped: number,
    @CurrentSession() session: UserSession,
  ) {
    return { user, number, piped, session, now: this.tokens.now() };
  }

  @Get('sessions')
  async list(@CurrentUser('userId') userId: string) {
    return { sessions: await this.sessions.list(userId), bans: await this.operators.bans(userId) };
  }

  /** Without declared claims, any JSON object goes. */
  async logIn() {
    await this.tokens.login('alice');
    const { session } = await this.tokens.login('alice', { claims: { name: 'Alice', level: 2 } });
    const level: unknown = session.claims.level;
    // @ts-expect-error: no object
    await this.tokens.login('alice', { claims: 'Alice' });
    // @ts-expect-error: unknown to the compiler
    const name: string = session.claims.name;
    return { level, name };
  }

  @Public()
  @Get()
  open() {
    return {};
  }
}

const secret = 'a secret of 32 bytes and a little more';

@Module({
  imports: [
    SessionModule.forRoot({ secret, policy: singleDevice(), isGlobal: true }),
    SessionModule.forRootAsync({ useFactory: () => ({ secret, realm: 'staff' }) }),
    SessionAdminModule.forRoot({ authorize: () => true }),
  ],
  controllers: [MeController],
  providers: [{ provide: APP_GUARD, useClass: ActiveGuard }],
})
export class AppModule {}

export const subpaths = [
  OnlineUsersService,
  createSessionClient,
  jwt,
  sessionMetrics,
  redis,
  SessionHealthIndicator,
  ManualClock,
];

export const forTests = [
  SessionTestingModule.forRoot({ policy: singleDevice() }),
  fakeAuthGuard({ userId: 1, claims: { roles: ['admin'] } }),
  async (app: INestApplication) => (await actingAs(app, { userId: 'alice', claims: {} })).headers,
];
