import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { Controller, Get, Module, Req, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { account } from './accounts.mjs';
import { serveParent, settings } from './child.mjs';
import { TurnRecorder } from './turns.mjs';

/**
 * A process with one application, a guarded route /read and the same route /open without a guard, started by verify.mjs. It
 * is ready with { origin, headers }, a header for each of its sessions, after it has seen that the guard knows who is who and
 * refuses what it must.
 *
 * @typedef {(setting: string, context: { count: number, redisUrl: string, databaseUrl?: string }) => Promise<{
 *   guard?: unknown,
 *   imports?: unknown[],
 *   providers?: unknown[],
 *   prepare?: (app: import('@nestjs/common').INestApplication) => void,
 *   logIn?: (origin: string, app: import('@nestjs/common').INestApplication) => Promise<{
 *     good: import('./load.mjs').Header[],
 *     bad: import('./load.mjs').Header[],
 *   }>,
 *   close?: () => unknown,
 * }>} Variant logIn opens a session for each account and gives the headers that carry them
 */
const { adapter, file, start, setting, ...context } = settings();

const { [start]: begin } = await import(`../${file}`);
const { guard, imports = [], providers = [], prepare, logIn, close } = await begin(setting, context);

const turns = new TurnRecorder();
class BenchController {
  open() {
    turns.count('/open');
    return { ok: true };
  }
  read() {
    turns.count('/read');
    return { ok: true };
  }
  who(request) {
    return { userId: request.user.userId };
  }
}
for (const name of ['open', 'read', 'who']) {
  const method = Object.getOwnPropertyDescriptor(BenchController.prototype, name);
  Get(name)(BenchController.prototype, name, method);
  if (guard && name !== 'open') UseGuards(guard)(BenchController.prototype, name, method);
}
Req()(BenchController.prototype, 'who', 0);
Controller()(BenchController);

class BenchModule {}
Module({ imports, providers, controllers: [BenchController] })(BenchModule);

const nestOptions = { logger: ['error'], abortOnError: false };
const app =
  adapter === 'Fastify'
    ? await NestFactory.create(BenchModule, new FastifyAdapter(), nestOptions)
    : await NestFactory.create(BenchModule, nestOptions);
prepare?.(app);
await app.listen(0, '127.0.0.1');
const origin = `http://127.0.0.1:${app.getHttpServer().address().port}`;
const sessions = await logIn?.(origin, app);
if (sessions) await checkGuard(sessions);

serveParent({ origin, headers: sessions?.good }, { turns: () => turns.take() }, async () => {
  // What was under way when the load stopped.
  await setTimeout(200);
  await app.close();
  await close?.();
});

/** A guard that lets everybody in is fast. */
async function checkGuard({ good, bad }) {
  for (const index of [0, good.length - 1]) {
    const response = await get('/who', good[index]);
    const { userId } = await response.json();
    if (response.status !== 200 || userId !== account(index).userId) {
      throw new Error(`${file} ${setting}: session ${index} is answered ${response.status}, as user ${userId}.`);
    }
  }
  for (const path of ['/read', '/who']) {
    for (const header of [...bad, undefined]) {
      const { status } = await get(path, header);
      if (status !== 401) throw new Error(`${file} ${setting}: ${path} with ${header} is answered ${status}.`);
    }
  }
}

/** @param {import('./load.mjs').Header} [header] */
function get(path, header) {
  return fetch(origin + path, { headers: header ? [header] : [] });
}
