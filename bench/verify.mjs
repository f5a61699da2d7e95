import { startChild } from './support/child.mjs';
import { loadGenerator } from './support/load.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';

const ADAPTERS = ['Express', 'Fastify'];
const CONNECTIONS = 20;
const SESSIONS = 200;

/** @typedef {{ route: string, file: string, start?: string, setting: string, only?: string }} Variant see verify-server.mjs */
/** @type {Variant[]} */
const VARIANTS = [
  { route: 'bare', file: 'support/own-variants.mjs', start: 'startBare', setting: 'bare' },
  { route: 'a guard that always says yes', file: 'support/own-variants.mjs', start: 'startBare', setting: 'guarded' },
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

/** What a guard adds to a request, ours and others: the same route in processes of their own, loaded one after the other. */
export async function verify({ quick, databases }) {
  const { rounds, seconds, warmUp, processes } = quick
    ? { rounds: 2, seconds: 1, warmUp: 1, processes: 1 }
    : { rounds: 6, seconds: 3, warmUp: 4, processes: 3 };
  const generator = await loadGenerator();
  const sharedRedis = await databases.redis();
  const rows = [];
  for (const adapter of ADAPTERS) {
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
      for (const server of all) await load(generator, server, tokens, warmUp);
      const samples = await interleaved(rounds, servers, (group) => {
        group.push(group.shift());
        return load(generator, group[0], tokens, seconds);
      });
      const [bare] = samples.values();
      for (const [route, taken] of samples) {
        const cells = ['perSecond', 'cpuMicros'].flatMap((figure) => {
          const [own, base] = [taken, bare].map((all) => all.map((sample) => sample[figure]));
          return [short(median(own)), ratioText(own, base)];
        });
        rows.push([adapter, route, ...cells]);
      }
    } finally {
      await Promise.all([...servers.values()].flat().map((server) => server.stop()));
    }
  }
  return {
    columns: ['adapter', 'route', 'requests/s', 'ratio to bare', 'CPU time per request, µs', 'ratio to bare'],
    rows,
    note: `${generator.name} with ${CONNECTIONS} connections, ${SESSIONS} sessions, ${processes} processes of each in turn, ${rounds} rounds of ${seconds} s.`,
  };
}

async function load(generator, server, tokens, seconds) {
  const { url, headers = tokens } = server.ready;
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
