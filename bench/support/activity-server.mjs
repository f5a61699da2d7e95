import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, NoActivity, SessionModule, TokenService } from 'nestjs-latchkey';
import { bearer } from './accounts.mjs';
import { serveParent, settings } from './child.mjs';
import { countReads } from './count-reads.mjs';
import { SECRET, logInMany, untilCached } from './sessions.mjs';
import { TurnRecorder } from './turns.mjs';

/**
 * A process with the guarded routes /used, whose requests count as uses of their session, and /unused, whose requests do not,
 * started by activity.mjs. Ready with { origin, headers }. Sightings are written with every batch of uses, thirty times as often
 * as by default.
 */
const { sightings, count, databaseUrl } = settings();
/** As often as by default. */
const FLUSH_MS = 10_000;

const turns = new TurnRecorder();
class BenchController {
  used() {
    turns.count('/used');
    return { ok: true };
  }
  unused() {
    turns.count('/unused');
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
  timing: { activityFlush: `${FLUSH_MS}ms`, sightingInterval: '1s' },
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
    turns: () => turns.take(),
    /** Of a CPU, where every session is used once between two writes: the time with these uses, less that without any. */
    async shareOfWrites() {
      const without = await cpuMicrosOf(() => undefined);
      const ids = await Promise.all(given.map(async (token) => (await tokens.verify(token)).session.id));
      await cpuMicrosOf(() => undefined);
      const used = await cpuMicrosOf(() => ids.forEach((id) => tokens.recordUse(id, '192.0.2.1')));
      return Math.max(0, used - without) / (FLUSH_MS * 1000);
    },
  },
  () => app.close(),
);

/** What the process takes from now on until what it has noted is written. */
async function cpuMicrosOf(work) {
  const before = process.cpuUsage();
  work();
  await setTimeout(FLUSH_MS + 500);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
