import { startChild } from './support/child.mjs';
import { loadGenerator } from './support/load.mjs';
import { interleaved, median, short } from './support/rounds.mjs';
import { CONNECTIONS, TURN_MS, besideNeighbours, middleText } from './support/turns.mjs';

/** Adapters, and how many processes of each variant. They differ. */
const PROCESSES = { Express: 2, Fastify: 2 };
const QUICK = { Express: 1, Fastify: 1 };
const BARE = '/open';
const GUARDED = '/read';
const SESSIONS = 200;

/** @typedef {{ route: string, file: string, start?: string, setting: string, only?: string }} Variant see verify-server.mjs */
/** @type {Variant[]} */
const VARIANTS = [
  {
    route: 'no guard on either, for comparison',
    file: 'support/own-variants.mjs',
    start: 'startBare',
    setting: 'bare',
  },
  { route: 'a guard that always says yes', file: 'support/own-variants.mjs', start: 'startBare', setting: 'guarded' },
  {
    route: 'the same, to the requests of a turn together',
    file: 'support/own-variants.mjs',
    start: 'startBatch',
    setting: 'default',
  },
  {
    route: 'a guard that hashes the token and looks it up in a Map',
    file: 'support/own-variants.mjs',
    start: 'startLookup',
    setting: 'default',
  },
  ...[
    ['AuthGuard, from the near cache', 'near cache'],
    ['AuthGuard by cookie, from the near cache', 'cookie'],
    ['AuthGuard, from Redis, near cache off', 'Redis'],
    ['AuthGuard, from PostgreSQL, no cache', 'PostgreSQL'],
  ].map(([route, setting]) => ({ route, file: 'support/own-variants.mjs', start: 'startOwn', setting })),
  ...both('passport-jwt, HS256', 'passport-jwt'),
  ...both('passport-jwt, HS256, and a list of ended tokens in Redis', 'passport-jwt', 'startWithDenylist'),
  ...both('express-session and connect-redis', 'express-session', 'start', 'Express'),
  { route: 'better-auth, Redis', file: 'peers/better-auth.mjs', setting: 'default' },
  { route: 'better-auth, Redis, fastest', file: 'peers/better-auth.mjs', setting: 'pipelined' },
  { route: 'better-auth, cookie cache', file: 'peers/better-auth.mjs', setting: 'cookie cache' },
  ...both('written by hand: GET and JSON.parse', 'hand-written'),
];

/** @returns {Variant[]} */
function both(route, name, start = 'start', only = undefined) {
  const one = (setting, suffix) => ({ route: route + suffix, file: `peers/${name}.mjs`, start, setting, only });
  return [one('default', ''), one('fastest', ', fastest')];
}

/**
 * What a guard adds to a request, ours and others. Each process has the same route with and without the guard, and the two are
 * loaded in turn: processes of one application differ by up to a half for as long as they live, depending on
 * what V8 made of it (on Node.js 20 an Express process is of one of two kinds), so that routes of two processes say nothing.
 */
export async function verify({ quick, only: texts, databases }) {
  const { rounds, warmUp, seconds } = quick
    ? { rounds: 1, warmUp: 2, seconds: 2 }
    : { rounds: 4, warmUp: 4, seconds: 4 };
  const variants = VARIANTS.filter(({ route }) => !texts || texts.some((text) => route.includes(text)));
  const times = texts ? 4 : 1;
  const generator = await loadGenerator();
  const sharedRedis = await databases.redis();
  const rows = [];
  for (const [adapter, processes] of Object.entries(quick ? QUICK : PROCESSES)) {
    const servers = new Map();
    try {
      for (const { route, only, ...variant } of variants) {
        if (only && only !== adapter) continue;
        servers.set(route, []);
        for (let process = 0; process < times * processes; process++) {
          // Nodes of the library that share anything would take part in each other's work.
          const stores =
            variant.start === 'startOwn'
              ? { databaseUrl: (await databases.create('postgres')).url, redisUrl: await databases.redis() }
              : { redisUrl: sharedRedis };
          const settings = { start: 'start', adapter, count: SESSIONS, ...variant, ...stores };
          servers.get(route).push(await startChild('verify-server.mjs', settings));
        }
      }
      const all = [...servers.values()].flat();
      // A route without sessions is sent tokens too, so that requests are of one length.
      const tokens = all.find(({ ready }) => ready.headers).ready.headers;
      // V8 takes some ten thousand requests to make its best of a route.
      for (const server of all) await load(generator, server, tokens, warmUp);
      const samples = await interleaved(rounds, servers, async (group) => {
        const turns = [];
        for (const server of group) turns.push(...(await load(generator, server, tokens, seconds)));
        return turns;
      });
      for (const [route, taken] of samples) rows.push(rowOf(adapter, route, taken.flat()));
    } finally {
      await Promise.all([...servers.values()].flat().map((server) => server.stop()));
    }
  }
  return {
    columns: [
      'adapter',
      'route',
      'requests/s',
      'ratio to the bare route',
      'CPU time per request, µs',
      'that of the guard, µs',
    ],
    rows,
    note: `${generator.name} with ${CONNECTIONS} connections, ${SESSIONS} sessions, ${rounds} rounds in which the bare and the guarded route of each process are loaded for ${seconds} s, in turns of ${TURN_MS} ms; ${Object.entries(
      quick ? QUICK : PROCESSES,
    )
      .map(([adapter, count]) => `${times * count} of each on ${adapter}`)
      .join(', ')}. In brackets what the middle half of the ratios is between.`,
  };
}

function rowOf(adapter, route, turns) {
  const all = (figure) => turns.map((turn) => turn[figure]);
  return [
    adapter,
    route,
    short(median(all('perSecond'))),
    middleText(all('ratio')),
    short(median(all('cpuMicros'))),
    median(all('addedMicros')).toFixed(1),
  ];
}

/** The turns of the guarded route, each beside those of the bare one before and after it. */
async function load(generator, server, tokens, seconds) {
  const { origin, headers = tokens } = server.ready;
  await generator.run({ origin, paths: [BARE, GUARDED], headers, seconds });
  return besideNeighbours(await server.call('turns'), GUARDED);
}
