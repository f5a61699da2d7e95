import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { createAuth, emptyTables, signUp } from './peers/better-auth.mjs';
import { CLAIMS_KEY } from './peers/express-session.mjs';
import { account, logInAll } from './support/accounts.mjs';
import { countReads } from './support/count-reads.mjs';
import { short } from './support/rounds.mjs';
import { logInOne, redisOption, startSessions, untilCached } from './support/sessions.mjs';

const SAMPLE = 200;
const OTHERS = 'express-session and connect-redis';
/** Of what OTHERS take, the most that ours may. */
const MOST = 1.25;

/** What a session takes of the memory of Redis, ours and those of others, with the same user in it. */
export async function memory({ quick, databases }) {
  const count = quick ? 1000 : 20_000;
  const kinds = new Map([
    ['nestjs-latchkey', fillOwn],
    [OTHERS, fillConnectRedis],
    ['better-auth', fillBetterAuth],
    ['written by hand: JSON under the token', fillByHand],
  ]);
  const found = new Map();
  for (const [name, fill] of kinds) {
    const url = await databases.redis();
    const client = new Redis(url);
    try {
      const before = await usedMemory(client);
      const close = await fill(url, count, databases);
      await untilQuiet(client);
      const keys = await client.dbsize();
      if (keys < count) throw new Error(`${name}: Redis has ${keys} keys for ${count} sessions.`);
      found.set(name, {
        bytes: ((await usedMemory(client)) - before) / count,
        keys: keys / count,
        largest: await largestOf(client),
      });
      await close();
    } finally {
      await client.quit();
    }
  }
  const base = found.values().next().value;
  const share = base.bytes / found.get(OTHERS).bytes;
  // What a server takes by itself is no small part of so few.
  const failures = quick || share <= MOST ? [] : [`a session takes ${short(share)} times the memory of ${OTHERS}`];
  return {
    failures,
    columns: ['sessions of', 'bytes of Redis per session', 'ratio to ours', 'keys per session', 'largest key, bytes'],
    rows: [...found].map(([name, { bytes, keys, largest }]) => [
      name,
      short(bytes),
      short(bytes / base.bytes),
      short(keys),
      short(largest),
    ]),
    note: `${count.toLocaleString('en-US')} sessions of different users; used_memory afterwards less before, and MEMORY USAGE of ${SAMPLE} keys by RANDOMKEY.`,
  };
}

/** Copies come to Redis when a session is first verified. They stay for longer than by default, until they are weighed. */
async function fillOwn(url, count, databases) {
  const counter = countReads();
  const { tokens, close } = await startSessions({
    database: await databases.create('postgres'),
    redis: await redisOption(url),
    nearCache: false,
    timing: { copyAge: '1h' },
  });
  const first = await logInOne(tokens, account('first'));
  await untilCached(tokens, [first.accessToken], () => counter.statements);
  counter.stop();
  await logInAll(count, async (user) => {
    const { accessToken } = await logInOne(tokens, user);
    const { status } = await tokens.verify(accessToken);
    if (status !== 'VALID') throw new Error(`A token that was just given out is ${status}.`);
  });
  return close;
}

async function fillConnectRedis(url, count) {
  const client = await createClient({ url }).connect();
  const store = new RedisStore({ client });
  await logInAll(count, (user) => {
    const id = randomBytes(24).toString('base64url');
    return store.set(id, { cookie: new session.Cookie().toJSON(), [CLAIMS_KEY]: user });
  });
  return () => client.close();
}

async function fillBetterAuth(url, count) {
  const client = new Redis(url);
  const tables = emptyTables();
  const auth = createAuth(client, {}, tables);
  await logInAll(count, async (user) => {
    await signUp(auth, user);
    // It looks through all users for every login, and needs none of them any more.
    if (tables.user.length > 500) for (const rows of Object.values(tables)) rows.splice(0, 400);
  });
  return () => client.quit();
}

async function fillByHand(url, count) {
  const client = new Redis(url);
  await logInAll(count, (user) =>
    client.set(`session:${randomBytes(32).toString('base64url')}`, JSON.stringify(user), 'EX', 7200),
  );
  return () => client.quit();
}

async function usedMemory(client) {
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))[1]);
}

/** What is written without being waited for must be there before it is weighed. */
async function untilQuiet(client) {
  for (let [keys, quiet] = [-1, 0]; quiet < 5; await setTimeout(100)) {
    const now = await client.dbsize();
    quiet = now === keys ? quiet + 1 : 0;
    keys = now;
  }
}

async function largestOf(client) {
  const sizes = [];
  for (let index = 0; index < SAMPLE; index++) sizes.push(await client.memory('USAGE', await client.randomkey()));
  return Math.max(...sizes);
}
