import 'reflect-metadata';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, NoActivity, SessionModule, TokenService } from 'nestjs-latchkey';
import { bearer } from './accounts.mjs';
import { serveParent, settings } from './child.mjs';
import { countReads } from './count-reads.mjs';
import { SECRET, logInMany, untilCached } from './sessions.mjs';

/**
 * A process with the guarded routes /used, whose requests count as uses of their session, and /unused, whose requests do not,
 * started by activity.mjs. Ready with { origin, headers }. Sightings are written with every batch of uses, thirty times as often
 * as by default.
 */
const { sightings, count, databaseUrl } = settings();

class BenchController {
  used() {
    return { ok: true };
  }
  unused() {
    return { ok: true };
  }
}
for (const name of ['used', 'unused']) {
  const method = Object.getOwnPropertyDescriptor(BenchController.prototype, name);
  Get(name)(BenchController.prototype, name, method);
  UseGuards(AuthGuard)(BenchController.prototype, name, method);
  if (name === 'unused') NoActivity()(BenchController.prototype, name, method);
}
Controller()(BenchController);

class BenchModule {}
const sessions = SessionModule.forRoot({
  secret: SECRET,
  database: { type: 'postgres', url: databaseUrl },
  sightings,
  timing: { sightingInterval: '1s' },
});
Module({ imports: [sessions], controllers: [BenchController] })(BenchModule);

const nestOptions = { logger: ['error'], abortOnError: false };
const app = await NestFactory.create(BenchModule, new FastifyAdapter(), nestOptions);
await app.listen(0, '127.0.0.1');
const origin = `http://127.0.0.1:${app.getHttpServer().address().port}`;
const tokens = app.get(TokenService, { strict: false });
const given = await logInMany(tokens, count);
const counter = countReads();
await untilCached(tokens, given, () => counter.statements);
counter.stop();

serveParent(
  { origin, headers: given.map(bearer) },
  {
    cpuMicros() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  },
  () => app.close(),
);
