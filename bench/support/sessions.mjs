import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { OperatorService, SessionModule, TokenService } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { logInAll } from './accounts.mjs';

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
    operators: context.get(OperatorService, { strict: false }),
    online: context.get(OnlineUsersService),
    newOnlineUsers: () => context.get(ModuleRef).create(OnlineUsersService),
    close: () => context.close(),
  };
}

/** The option `redis` for a server. @param {string} url */
export async function redisOption(url) {
  const { redis } = await import('nestjs-latchkey/redis');
  return redis(url);
}

/** Logs the accounts of the benchmarks in, some at a time; returns their access tokens. */
export async function logInMany(tokens, count) {
  return logInAll(count, async (account) => (await logInOne(tokens, account)).accessToken);
}

/** @param {ReturnType<typeof import('./accounts.mjs').account>} account */
export function logInOne(tokens, { userId, ...claims }) {
  return tokens.login(userId, { deviceType: 'phone', ip: '192.0.2.1', claims });
}

/**
 * Verifies tokens until that costs no read any more: the node caches from its second look for other nodes on.
 *
 * @param {() => number} reads how many there were so far
 */
export async function untilCached(tokens, given, reads) {
  for (const deadline = performance.now() + 20_000; ; await setTimeout(50)) {
    const before = reads();
    for (const token of given) {
      const { status } = await tokens.verify(token);
      if (status !== 'VALID') throw new Error(`A token that was just given out is ${status}.`);
    }
    if (reads() === before) return;
    if (performance.now() > deadline) throw new Error('No cache came on within 20 s.');
  }
}
