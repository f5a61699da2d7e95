import { Redis } from 'ioredis';
import { DataSource } from 'typeorm';
import { countReads } from './support/count-reads.mjs';
import { fillWithSessions } from './support/many-sessions.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';
import { logInMany, redisOption, startSessions, untilCached } from './support/sessions.mjs';

const SAMPLE = 500;
const PARALLEL = 20;
/** Copies that one call makes in Redis. */
const CHUNK = 10_000;

/** Whether a verification costs more where there are more sessions. The copies in this process are off. */
export async function scale({ quick, databases }) {
  const sizes = quick ? [1000, 20_000] : [1000, 100_000, 1_000_000];
  const { rounds, passes } = quick ? { rounds: 2, passes: 2 } : { rounds: 5, passes: 10 };
  const stores = new Map();
  for (const size of sizes) {
    const database = await databases.create('postgres');
    const redisUrl = await databases.redis();
    const { tokens, close } = await startSessions({ database });
    const given = await logInMany(tokens, SAMPLE);
    await close();
    const source = await new DataSource(database).initialize();
    await fillWithSessions(source, { live: size - SAMPLE, ended: 0 });
    await source.destroy();
    stores.set(size, { database, redisUrl, given });
  }
  const rows = [];
  const counter = countReads();
  for (const from of ['Redis', 'PostgreSQL']) {
    const started = new Map();
    try {
      for (const [size, { database, redisUrl, given }] of stores) {
        const redis = from === 'Redis' ? { redis: await redisOption(redisUrl) } : {};
        const sessions = await startSessions({ database, nearCache: false, ...redis });
        started.set(size, { ...sessions, given });
        if (from === 'Redis') {
          await untilCached(sessions.tokens, given, () => counter.statements);
          await fillRedis(redisUrl, size - SAMPLE);
        }
      }
      const before = counter.statements;
      const samples = await interleaved(rounds, started, ({ tokens, given }) => micros(tokens, given, passes));
      // Sweeps read the table as well, now and then; verifications at most so many with one statement.
      const statements = Math.floor(((rounds + 1) * stores.size * passes * SAMPLE) / PARALLEL);
      if ((from === 'PostgreSQL') !== counter.statements - before >= statements)
        throw new Error(`Sessions were not read from ${from}.`);
      const [base] = samples.values();
      for (const [size, taken] of samples) {
        rows.push([from, size.toLocaleString('en-US'), short(median(taken)), ratioText(taken, base)]);
      }
    } finally {
      for (const { close } of started.values()) await close();
    }
  }
  counter.stop();
  return {
    columns: ['from', 'sessions', 'µs per verification', `ratio to ${short(sizes[0])} sessions`],
    rows,
    note: `${PARALLEL} at a time, of ${SAMPLE} sessions that logged in among those put there, in random order, near cache off, ${rounds} rounds.`,
  };
}

/** Makes more copies in Redis of the session whose copy it has, under ids of their own. */
async function fillRedis(url, count) {
  const client = new Redis(url);
  try {
    const source = await someCopy(client);
    const id = /[0-9a-f]{32}/.exec(source)[0];
    const script = `
      for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
        local id = redis.sha1hex(i):sub(1, 32)
        redis.call('COPY', KEYS[1], (KEYS[1]:gsub(ARGV[3], id)))
        redis.call('PERSIST', (KEYS[1]:gsub(ARGV[3], id)))
      end`;
    for (let from = 1; from <= count; from += CHUNK) {
      await client.eval(script, 1, source, from, Math.min(count, from + CHUNK - 1), id);
    }
    const keys = await client.dbsize();
    if (keys < count) throw new Error(`Redis has ${keys} keys, not ${count}.`);
  } finally {
    await client.quit();
  }
}

async function someCopy(client) {
  for (const deadline = performance.now() + 5000; performance.now() < deadline;) {
    const key = await client.randomkey();
    if (key && /[0-9a-f]{32}/.test(key)) return key;
  }
  throw new Error('Redis has no copy of a session that was just verified.');
}

/** A pass over all tokens, in another order each. */
async function micros(tokens, given, passes) {
  const all = Array.from({ length: passes }, () => shuffled(given)).flat();
  const began = performance.now();
  await verifyAll(tokens, all);
  return ((performance.now() - began) * 1000) / all.length;
}

async function verifyAll(tokens, given) {
  let next = 0;
  const lane = async () => {
    while (next < given.length) {
      const { status } = await tokens.verify(given[next++]);
      if (status !== 'VALID') throw new Error(`The token of a live session is ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
}

function shuffled(items) {
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [all[last], all[other]] = [all[other], all[last]];
  }
  return all;
}
