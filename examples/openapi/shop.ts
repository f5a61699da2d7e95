import { Body, Controller, Get, Injectable, Module, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiOkResponse, ApiProperty } from '@nestjs/swagger';
import { TypeOrmModule } from '@nestjs/typeorm';
import libsql from 'libsql';
import {
  AuthGuard,
  CheckBan,
  CurrentUser,
  LoginDetails,
  OptionalAuth,
  Public,
  type Reauthenticator,
  RequireFresh,
  RequireRole,
  SessionAnswer,
  SessionModule,
  SessionRoutesModule,
  TokenService,
  both,
} from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';

export class LoginDto {
  @ApiProperty()
  name!: string;
}

export class Order {
  @ApiProperty()
  id!: number;
}

@Controller()
export class ShopController {
  constructor(private readonly tokens: TokenService) {}

  @Public()
  @SessionAnswer()
  @Post('login')
  login(@Body() { name }: LoginDto, @LoginDetails() from: LoginDetails) {
    return this.tokens.login(name, from); // Check the password first.
  }

  @Public()
  @Get('prices')
  prices() {
    return {};
  }

  @OptionalAuth()
  @Get('home')
  home(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @ApiOkResponse({ type: Order, isArray: true })
  @Get('orders')
  orders(): Order[] {
    return [];
  }

  @CheckBan('orders')
  @RequireFresh('10m')
  @Post('orders')
  order() {
    return {};
  }

  @RequireRole('admin')
  @Get('reports')
  reports() {
    return {};
  }
}

@Injectable()
export class Passwords implements Reauthenticator {
  reauthenticate(): boolean {
    return false; // Ask your own users here.
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'better-sqlite3', driver: libsql, database: ':memory:' }),
    SessionModule.forRoot({
      secret: process.env.SESSION_SECRET ?? 'a secret for the example alone, of 32 bytes and more',
      transport: both(),
      isGlobal: true,
    }),
    SessionRoutesModule.forRoot({ reauthenticate: Passwords, gateway: true }),
    SessionAdminModule.forRoot({ authorize: ({ userId }) => userId === 'admin' }),
  ],
  controllers: [ShopController],
  providers: [Passwords, { provide: APP_GUARD, useClass: AuthGuard }],
})
export class ShopModule {}
