// One node of several: a process of its own with a SessionModule, driven by messages from its parent (nodes.ts). It runs
// the built library, as an application would. Once a node is closed, the process can be the next one: most of what it takes
// to start one is to load the code.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createRequire } from 'node:module';
import {
  OperatorService,
  SessionModule,
  SessionService,
  TokenService,
  accessAndRefresh,
  multiDevice,
  oneDevicePerType,
  singleDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { redis } from 'nestjs-latchkey/redis';
import { dieAt } from './die-at.mjs';
import { HttpRoot } from './node-routes.mjs';

const policies = { singleDevice, multiDevice, oneDevicePerType };
const modes = { sliding, accessAndRefresh };
const realNow = Date.now;
const settings = { logger: ['error'], abortOnError: false };

/** The node that this process is now; null between two of them. */
let node = null;

async function start({ options, policy, tokens: mode, clockAt, clockOffsetMs, http, redis: redisSettings, diesAt }) {
  // A host whose clock is wrong.
  Date.now = clockOffsetMs ? () => realNow() + clockOffsetMs : realNow;
  const redisUrl = redisSettings === null ? null : (redisSettings?.url ?? process.env.TEST_SUITE_REDIS_URL);
  if (options.database.type === 'better-sqlite3') options.database.driver = createRequire(import.meta.url)('libsql');
  if (diesAt) dieAt(diesAt, options.database);
  const clock = clockAt === undefined ? undefined : new ManualClock(clockAt);
  const session = SessionModule.forRoot({
    ...options,
    policy: policies[policy.name](policy.options),
    ...(mode && { tokens: modes[mode.name](mode.options) }),
    ...(clock && { clock }),
    ...(redisUrl && { redis: redis(redisUrl, redisSettings?.use) }),
    isGlobal: true,
  });
  const context = http
    ? await NestFactory.create({ module: HttpRoot, imports: [session] }, settings)
    : await NestFactory.createApplicationContext(session, settings);
  if (http) await context.listen(0, '127.0.0.1');
  else await context.init();
  const services = [TokenService, SessionService, OperatorService].map((type) => context.get(type, { strict: false }));
  node = { context, clock, services };
  return { port: http ? context.getHttpServer().address().port : null };
}

/** Runs one call and turns its outcome into plain data. */
async function settle(method, args) {
  try {
    const service = node.services.find((one) => method in one);
    return { value: await service[method](...args) };
  } catch (error) {
    const { code = error.name, message, cause, ticket } = error;
    return { error: { code, message, cause: String(cause), ticket } };
  }
}

const requests = {
  start,
  advance: (ms) => node.clock.advance(ms),
  run: (calls) => Promise.all(calls.map(([method, ...args]) => settle(method, args))),
  async close() {
    await node.context.close();
    node = null;
  },
};

process.on('message', async ({ id, name, argument }) => {
  try {
    process.send({ id, value: await requests[name](argument) });
  } catch (error) {
    process.send({ id, error: String(error.stack) });
  }
});
