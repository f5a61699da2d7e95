import { startChild } from './support/child.mjs';
import { loadGenerator } from './support/load.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';

/** Adapters, and how many processes of each variant. They differ. */
const PROCESSES = { Express: 2, Fastify: 2 };
const QUICK = { Express: 1, Fastify: 1 };
/** So that neither route has it better for its place. */
const ABBA = ['/open', '/read', '/read', '/open'];
const CONNECTIONS = 20;
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
    route: 'a guard that hashes the token and looks it up in a Map',
    file: 'support/own-variants.mjs',
    start: 'startLookup',
    setting: 'default',
  },
  ...[
    ['AuthGuard, from the near cache', 'near cache'],
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
 * loaded one after the other: processes of one application differ by up to a half for as long as they live, depending on
 * what V8 made of it (on Node.js 20 an Express process is of one of two kinds), so that routes of two processes say nothing.
 */
export async function verify({ quick, databases }) {
  const { rounds, warmUp } = quick ? { rounds: 1, warmUp: 1 } : { rounds: 4, warmUp: 2 };
  const generator = await loadGenerator();
  const sharedRedis = await databases.redis();
  const rows = [];
  for (const [adapter, processes] of Object.entries(quick ? QUICK : PROCESSES)) {
    const servers = new Map();
    try {
      for (const { route, only, ...variant } of VARIANTS) {
        if (only && only !== adapter) continue;
        servers.set(route, []);
        for (let process = 0; process < processes; process++) {
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
      for (const server of all) {
        for (const path of ['/open', '/read']) await load(generator, server, path, tokens, warmUp);
      }
      const samples = await interleaved(rounds, servers, async (group) => {
        const pairs = [];
        for (const server of group) {
          // A process that has not been loaded for a while takes some time to get going.
          await load(generator, server, '/read', tokens, 1);
          const loads = [];
          for (const path of ABBA) loads.push(await load(generator, server, path, tokens, 1));
          const [open, read, again, reopened] = loads;
          pairs.push({ open: mean(open, reopened), read: mean(read, again) });
        }
        return pairs;
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
    note: `${generator.name} with ${CONNECTIONS} connections, ${SESSIONS} sessions, ${rounds} rounds in which the bare and the guarded route of each process are loaded for 2 s each; ${Object.entries(
      quick ? QUICK : PROCESSES,
    )
      .map(([adapter, count]) => `${count} of each on ${adapter}`)
      .join(', ')}. In brackets the lowest and the highest ratio of any round.`,
  };
}

function rowOf(adapter, route, pairs) {
  const [open, read] = ['open', 'read'].map((path) => pairs.map((pair) => pair[path]));
  const cpu = (samples) => samples.map(({ cpuMicros }) => cpuMicros);
  return [
    adapter,
    route,
    short(median(read.map(({ perSecond }) => perSecond))),
    ratioText(
      read.map(({ perSecond }) => perSecond),
      open.map(({ perSecond }) => perSecond),
    ),
    short(median(cpu(read))),
    median(read.map(({ cpuMicros }, at) => cpuMicros - open[at].cpuMicros)).toFixed(1),
  ];
}

/** @param {Awaited<ReturnType<typeof load>>} one @param {Awaited<ReturnType<typeof load>>} other */
function mean(one, other) {
  return {
    perSecond: (one.perSecond + other.perSecond) / 2,
    cpuMicros: (one.cpuMicros + other.cpuMicros) / 2,
  };
}

async function load(generator, server, path, tokens, seconds) {
  const { origin, headers = tokens } = server.ready;
  const url = origin + path;
  const before = await server.call('cpuMicros');
  const { answers, refused, failed, ...took } = await generator.run({
    url,
    headers,
    connections: CONNECTIONS,
    seconds,
  });
  const cpu = (await server.call('cpuMicros')) - before;
  if (answers === 0 || refused + failed > 0) {
    throw new Error(`Of ${answers} requests to ${url}, ${refused} were refused, and ${failed} failed.`);
  }
  return { perSecond: answers / took.seconds, cpuMicros: cpu / answers };
}
