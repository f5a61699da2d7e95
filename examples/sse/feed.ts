import { Controller, Header, HttpCode, Module, Param, Post, Sse, UseGuards } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import libsql from 'libsql';
import {
  AuthGuard,
  CurrentUser,
  PresentedToken,
  Public,
  SessionModule,
  TokenService,
  multiDevice,
} from 'nestjs-latchkey';
import { type Observable, map, timer } from 'rxjs';

@UseGuards(AuthGuard)
@Controller()
class FeedController {
  constructor(private readonly tokens: TokenService) {}

  /** Check the password first: that part is yours. */
  @Public()
  @Post('login/:name')
  login(@Param('name') name: string) {
    return this.tokens.login(name, { claims: { name } });
  }

  /** Ends the session of the token, which ends its streams. */
  @Public()
  @HttpCode(204)
  @Post('logout')
  async logout(@PresentedToken() token: string | null): Promise<void> {
    await this.tokens.logout(token);
  }

  /** Ends with the event `session-ended` by itself. */
  @Sse('feed')
  @Header('X-Accel-Buffering', 'no')
  feed(@CurrentUser('userId') userId: string): Observable<{ data: object }> {
    return timer(0, 1000).pipe(map((second) => ({ data: { userId, second } })));
  }

  @Public()
  @Sse('time')
  time(): Observable<{ data: object }> {
    return timer(0, 1000).pipe(map((second) => ({ data: { second } })));
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
  controllers: [FeedController],
})
export class FeedModule {}
