import { setImmediate, setTimeout } from 'node:timers/promises';
import { account } from './accounts.mjs';
import { serveParent, settings } from './child.mjs';
import { countReads } from './count-reads.mjs';
import { logInOne, redisOption, startSessions } from './sessions.mjs';

/** A process of revoke.mjs and everybody-out.mjs: one node of several on a database and a Redis, with its near cache on. */
const BATCH = 50;
/** One turn of the load, about what one request takes; and the turns between two pauses, which timers cannot make short. */
const TURN_MS = 0.1;
const TURNS = 5;

const { database, redisUrl, maxEntries } = settings();
const counter = countReads();
const { tokens, operators, close } = await startSessions({
  database,
  redis: await redisOption(redisUrl),
  nearCache: { maxEntries },
});
/** @type {{ stop(): Promise<object> } | null} */
let load = null;

serveParent(
  null,
  {
    /** Opens sessions of different users. @returns {Promise<{ id: string, token: string }[]>} */
    logIn: (name, count) =>
      inBatches(
        Array.from({ length: count }, (_, index) => account(`${name}-${index}`)),
        async (user) => {
          const { session, accessToken } = await inSpiteOfLoad(() => logInOne(tokens, user));
          return { id: session.id, token: accessToken };
        },
      ),

    /** Verifies tokens, each once. @returns {Promise<number>} how many reads of Redis and the database that took */
    async verifyAll(given) {
      const before = counter.statements + counter.commands;
      const statuses = await inBatches(given, async (token) => (await tokens.verify(token)).status);
      const bad = statuses.find((status) => status !== 'VALID');
      if (bad) throw new Error(`A token that was just given out is ${bad}.`);
      return counter.statements + counter.commands - before;
    },

    startLoad(given, share) {
      load = startLoad(given, share);
    },
    stopLoad: () => load.stop(),

    /** @returns {Promise<{ millis: number, status: string }>} how long the end took, and the verdict right after it */
    async end({ id, token }) {
      const began = performance.now();
      await operators.kick(id, { by: 'bench' });
      const millis = performance.now() - began;
      return { millis, status: (await tokens.verify(token)).status };
    },

    async endEverything() {
      await operators.endEverything({ by: 'bench' });
    },

    verify: async (token) => (await tokens.verify(token)).status,

    /** Verifies tokens, some at a time. @returns {Promise<Record<string, number>>} how many were given each reason or status */
    async reasonsOf(given) {
      const counts = {};
      await inBatches(given, async (token) => {
        const verdict = await tokens.verify(token);
        const said = verdict.reason ?? verdict.status;
        counts[said] = (counts[said] ?? 0) + 1;
      });
      return counts;
    },

    /** Logs users in one after the other. @returns {Promise<{ failed: number, millis: number[] }>} */
    async loginTimes(name, count) {
      const millis = [];
      let failed = 0;
      for (let index = 0; index < count; index++) {
        const began = performance.now();
        const login = await logInOne(tokens, account(`${name}-${index}`)).catch(() => null);
        if (login === null || (await tokens.verify(login.accessToken)).status !== 'VALID') failed++;
        millis.push(performance.now() - began);
      }
      return { failed, millis };
    },

    cpuMicros() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  },
  close,
);

/** Verifies again and again, for about that share of the time of one core. */
function startLoad(given, share) {
  let stopping = false;
  let verified = 0;
  let bad = 0;
  const began = performance.now();
  const run = async () => {
    while (!stopping) {
      for (let turn = 0; turn < TURNS; turn++) {
        for (const until = performance.now() + TURN_MS; performance.now() < until; verified++) {
          const { status } = await tokens.verify(given[verified % given.length]);
          if (status !== 'VALID') bad++;
        }
        await setImmediate();
      }
      await setTimeout(Math.ceil(TURN_MS * TURNS * (1 / share - 1)));
    }
  };
  const running = run();
  return {
    async stop() {
      stopping = true;
      await running;
      return { perSecond: (verified * 1000) / (performance.now() - began), bad };
    },
  };
}

/** Many logins at once may be more than a busy machine does in time. */
async function inSpiteOfLoad(logIn, tries = 10) {
  for (let left = tries; ; left--) {
    try {
      return await logIn();
    } catch (error) {
      if (left === 0 || error.code !== 'SESSION_STORE_UNAVAILABLE') throw error;
    }
  }
}

async function inBatches(items, work) {
  const results = [];
  for (let from = 0; from < items.length; from += BATCH) {
    results.push(...(await Promise.all(items.slice(from, from + BATCH).map(work))));
  }
  return results;
}
