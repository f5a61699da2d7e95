// One node of several: a process of its own with a SessionModule, driven by messages from its parent (nodes.ts). It runs
// the built library, as an application would.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createRequire } from 'node:module';
import { SessionModule, TokenService, multiDevice, oneDevicePerType, singleDevice } from 'nestjs-latchkey';

// A host whose clock is wrong.
const realNow = Date.now;
const clockOffset = Number(process.env.TEST_CLOCK_OFFSET_MS ?? 0);
if (clockOffset) Date.now = () => realNow() + clockOffset;

const policies = { singleDevice, multiDevice, oneDevicePerType };
const { options, policy } = JSON.parse(process.argv[2]);
if (options.database.type === 'better-sqlite3') options.database.driver = createRequire(import.meta.url)('libsql');

const context = await NestFactory.createApplicationContext(
  SessionModule.forRoot({ ...options, policy: policies[policy.name](policy.options) }),
  { logger: ['error'], abortOnError: false },
);
await context.init();
const tokens = context.get(TokenService);

/** Runs one call and turns its outcome into plain data. */
async function settle(method, args) {
  try {
    return { value: await tokens[method](...args) };
  } catch (error) {
    return { error: { code: error.code ?? error.name, message: error.message, cause: String(error.cause) } };
  }
}

process.on('message', async ({ id, calls }) => {
  if (calls === 'close') {
    await context.close();
    process.disconnect();
    return;
  }
  const results = await Promise.all(calls.map(([method, ...args]) => settle(method, args)));
  process.send({ id, results });
});
process.send({ ready: true });
