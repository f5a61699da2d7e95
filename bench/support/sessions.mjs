import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { SessionModule, TokenService } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';

export const SECRET = 'a secret of the benchmarks, of thirty-two bytes and more';

class Root {}
Module({})(Root);

/** Starts a SessionModule as an application would, without an HTTP server. */
export async function startSessions(options) {
  const root = {
    module: Root,
    imports: [SessionModule.forRoot({ secret: SECRET, ...options })],
    providers: [OnlineUsersService],
  };
  const context = await NestFactory.createApplicationContext(root, { logger: ['error'], abortOnError: false });
  return {
    tokens: context.get(TokenService, { strict: false }),
    online: context.get(OnlineUsersService),
    newOnlineUsers: () => context.get(ModuleRef).create(OnlineUsersService),
    close: () => context.close(),
  };
}

/** Logs users in, some at a time; returns their tokens. */
export async function logInMany(tokens, count, name = 'user') {
  const given = [];
  for (let from = 0; from < count; from += 50) {
    const users = Array.from({ length: Math.min(50, count - from) }, (_, index) => `${name}-${from + index}`);
    const logins = await Promise.all(users.map((user) => tokens.login(user, { deviceType: 'phone', ip: '192.0.2.1' })));
    given.push(...logins.map(({ accessToken }) => accessToken));
  }
  return given;
}
