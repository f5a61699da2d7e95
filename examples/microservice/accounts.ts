import { Controller, Get, HttpCode, Module, Param, Post } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { TypeOrmModule } from '@nestjs/typeorm';
import libsql from 'libsql';
import {
  CurrentUser,
  PresentedToken,
  Public,
  RequireRole,
  SessionModule,
  TokenService,
  multiDevice,
} from 'nestjs-latchkey';
import { RpcAuthGuard, RpcRenewalInterceptor } from 'nestjs-latchkey/microservices';

@Controller()
export class AccountsController {
  /** Events that were accepted. */
  readonly seen: string[] = [];

  constructor(private readonly tokens: TokenService) {}

  /** Check the password first: that part is yours. */
  @Public()
  @Post('login/:name')
  login(@Param('name') name: string) {
    return this.tokens.login(name, { claims: { name } });
  }

  /** Ends the session of the token in the header. */
  @Public()
  @HttpCode(204)
  @Post('logout')
  async logout(@PresentedToken() token: string | null): Promise<void> {
    await this.tokens.logout(token);
  }

  @Get('me')
  me(@CurrentUser() user: object) {
    return user;
  }

  @MessagePattern('who')
  who(@CurrentUser() user: object) {
    return user;
  }

  @Public()
  @MessagePattern('public')
  public() {
    return { hello: 'everyone' };
  }

  @RequireRole('admin')
  @MessagePattern('reports')
  reports() {
    return [];
  }

  @EventPattern('seen')
  onSeen(@Payload('page') page: string, @CurrentUser('userId') userId: unknown) {
    this.seen.push(`${String(userId)} ${page}`);
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'better-sqlite3', driver: libsql, database: process.env.DATABASE ?? ':memory:' }),
    SessionModule.forRoot({
      secret: process.env.SESSION_SECRET ?? 'a secret for development, of 32 bytes and more',
      policy: multiDevice(),
    }),
  ],
  controllers: [AccountsController],
  providers: [
    // One guard for HTTP and for messages, whose payload has the token, since TCP has no headers.
    { provide: APP_GUARD, useClass: RpcAuthGuard.from({ field: 'token' }) },
    // Adds `renewed: { accessToken, expiresIn }` to answers near the end of a token.
    { provide: APP_INTERCEPTOR, useClass: RpcRenewalInterceptor },
  ],
})
export class AccountsModule {}
