import 'reflect-metadata';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import libsql from 'libsql';
import { AuthGuard, SessionModule, TokenService } from 'nestjs-latchkey';
import { countingSqlite, untilCached } from './counting-sqlite.mjs';
import { SECRET, logInMany } from './sessions.mjs';

/**
 * A process with one application and one route, forked by verify.mjs: verify-server.mjs <adapter> <variant> <tokens>
 * [database url]. Sends { url, tokens } when it is ready, answers every message with the CPU time it has used in
 * microseconds, and ends when it is disconnected.
 */
const [adapter, variant, tokenCount, databaseUrl] = process.argv.slice(2);

class YesGuard {
  canActivate() {
    return true;
  }
}

class BenchController {
  read() {
    return { ok: true };
  }
}
Get('read')(BenchController.prototype, 'read', Object.getOwnPropertyDescriptor(BenchController.prototype, 'read'));
Controller()(BenchController);

const counting = countingSqlite();
const VARIANTS = {
  bare: {},
  'trivial guard': { guard: YesGuard },
  'near cache': { guard: AuthGuard, session: { database: counting.options } },
  SQLite: {
    guard: AuthGuard,
    session: { nearCache: false, database: { type: 'better-sqlite3', driver: libsql, database: ':memory:' } },
  },
  PostgreSQL: { guard: AuthGuard, session: { nearCache: false, database: { type: 'postgres', url: databaseUrl } } },
};
const { guard, session } = VARIANTS[variant];
if (guard) UseGuards(guard)(BenchController);

class BenchModule {}
Module({
  imports: session ? [SessionModule.forRoot({ secret: SECRET, ...session })] : [],
  controllers: [BenchController],
})(BenchModule);

const nestOptions = { logger: ['error'], abortOnError: false };
const app =
  adapter === 'Fastify'
    ? await NestFactory.create(BenchModule, new FastifyAdapter(), nestOptions)
    : await NestFactory.create(BenchModule, nestOptions);
await app.listen(0, '127.0.0.1');
const tokens = session && (await logInMany(app.get(TokenService, { strict: false }), Number(tokenCount)));
if (variant === 'near cache') await untilCached(app.get(TokenService, { strict: false }), tokens[0], counting.counter);

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send(user + system);
});
process.on('disconnect', () => void app.close());
process.send({ url: `http://127.0.0.1:${app.getHttpServer().address().port}/read`, tokens });
