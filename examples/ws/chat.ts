import { Controller, HttpCode, Module, Param, Post } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import libsql from 'libsql';
import {
  CurrentUser,
  OptionalAuth,
  PresentedToken,
  Public,
  SessionModule,
  TokenService,
  multiDevice,
} from 'nestjs-latchkey';
import { sessionOf } from 'nestjs-latchkey/websockets';
import type { Server } from 'ws';

@WebSocketGateway({ path: '/chat' })
class ChatGateway {
  @WebSocketServer() server!: Server;

  @Public()
  @SubscribeMessage('public')
  public() {
    return { event: 'public', data: { hello: 'everyone' } };
  }

  @OptionalAuth()
  @SubscribeMessage('optional')
  optional(@CurrentUser() user: object | null) {
    return { event: 'optional', data: { user } };
  }

  @SubscribeMessage('me')
  me(@CurrentUser() user: object) {
    return { event: 'me', data: user };
  }

  @SubscribeMessage('say')
  say(@CurrentUser('userId') from: string, @MessageBody() text: string) {
    for (const socket of this.server.clients) {
      if (sessionOf(socket)) socket.send(JSON.stringify({ event: 'said', data: { from, text } }));
    }
  }
}

@Controller()
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  /** Check the password first: that part is yours. */
  @Post('login/:name')
  login(@Param('name') name: string) {
    return this.tokens.login(name, { claims: { name } });
  }

  /** Ends the session of the token, which closes its sockets. */
  @HttpCode(204)
  @Post('logout')
  async logout(@PresentedToken() token: string | null): Promise<void> {
    await this.tokens.logout(token);
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
  controllers: [LoginController],
  providers: [ChatGateway],
})
export class ChatModule {}
