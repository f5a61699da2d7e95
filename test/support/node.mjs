// One node of several: a process of its own with a SessionModule, driven by messages from its parent (nodes.ts). It runs
// the built library, as an application would.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createRequire } from 'node:module';
import {
  SessionModule,
  TokenService,
  accessAndRefresh,
  multiDevice,
  oneDevicePerType,
  singleDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { redis } from 'nestjs-latchkey/redis';
import { HttpRoot } from './node-routes.mjs';

// A host whose clock is wrong.
const realNow = Date.now;
const clockOffset = Number(process.env.TEST_CLOCK_OFFSET_MS ?? 0);
if (clockOffset) Date.now = () => realNow() + clockOffset;

const policies = { singleDevice, multiDevice, oneDevicePerType };
const modes = { sliding, accessAndRefresh };
const { options, policy, tokens: mode, clockAt, http, redis: redisSettings } = JSON.parse(process.argv[2]);
const redisUrl = redisSettings === null ? null : (redisSettings?.url ?? process.env.TEST_SUITE_REDIS_URL);
if (options.database.type === 'better-sqlite3') options.database.driver = createRequire(import.meta.url)('libsql');
const clock = clockAt === undefined ? undefined : new ManualClock(clockAt);

const session = SessionModule.forRoot({
  ...options,
  policy: policies[policy.name](policy.options),
  ...(mode && { tokens: modes[mode.name](mode.options) }),
  ...(clock && { clock }),
  ...(redisUrl && { redis: redis(redisUrl, redisSettings?.use) }),
  isGlobal: true,
});
const settings = { logger: ['error'], abortOnError: false };
const context = http
  ? await NestFactory.create({ module: HttpRoot, imports: [session] }, settings)
  : await NestFactory.createApplicationContext(session, settings);
if (http) await context.listen(0, '127.0.0.1');
else await context.init();
const tokens = context.get(TokenService, { strict: false });

/** Runs one call and turns its outcome into plain data. */
async function settle(method, args) {
  try {
    return { value: await tokens[method](...args) };
  } catch (error) {
    return { error: { code: error.code ?? error.name, message: error.message, cause: String(error.cause) } };
  }
}

process.on('message', async ({ id, calls }) => {
  if (typeof calls === 'number') {
    clock.advance(calls);
    process.send({ id, results: [] });
    return;
  }
  if (calls === 'close') {
    await context.close();
    process.disconnect();
    return;
  }
  const results = await Promise.all(calls.map(([method, ...args]) => settle(method, args)));
  process.send({ id, results });
});
process.send({ ready: true, port: http ? context.getHttpServer().address().port : null });
