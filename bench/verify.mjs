import { fork } from 'node:child_process';
import { once } from 'node:events';
import autocannon from 'autocannon';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';

const ADAPTERS = ['Express', 'Fastify'];
const ROUTES = {
  bare: 'bare',
  'trivial guard': 'a guard that always says yes',
  'near cache': 'AuthGuard, from the near cache',
  SQLite: 'AuthGuard, SQLite in memory, no cache',
  PostgreSQL: 'AuthGuard, PostgreSQL, no cache',
};
const CONNECTIONS = 20;
const TOKENS_PER_CONNECTION = 10;

/** What the guard adds to a request: the same route bare and guarded, each in a process of its own. */
export async function verify({ quick, databases }) {
  const { rounds, seconds } = quick ? { rounds: 2, seconds: 1 } : { rounds: 5, seconds: 3 };
  const rows = [];
  for (const adapter of ADAPTERS) {
    const { url } = await databases.create('postgres');
    const servers = new Map();
    try {
      for (const variant of Object.keys(ROUTES)) servers.set(variant, await startServer(adapter, variant, url));
      // A route without sessions is sent tokens too, so that all requests are of one length.
      const anyTokens = servers.get('near cache').tokens;
      const samples = await interleaved(rounds, servers, (server) => load(server, server.tokens ?? anyTokens, seconds));
      const series = (variant, figure) => samples.get(variant).map((sample) => sample[figure]);
      for (const [variant, route] of Object.entries(ROUTES)) {
        rows.push([
          adapter,
          route,
          short(median(series(variant, 'perSecond'))),
          ratioText(series(variant, 'perSecond'), series('bare', 'perSecond')),
          ratioText(series(variant, 'cpuMicros'), series('bare', 'cpuMicros')),
        ]);
      }
    } finally {
      await Promise.all([...servers.values()].map((server) => server.stop()));
    }
  }
  return {
    columns: ['adapter', 'route', 'requests/s', 'requests/s, ratio to bare', 'CPU time per request, ratio to bare'],
    rows,
    note: `${CONNECTIONS} connections, ${CONNECTIONS * TOKENS_PER_CONNECTION} sessions, ${rounds} rounds of ${seconds} s each.`,
  };
}

async function startServer(adapter, variant, databaseUrl) {
  const script = new URL('support/verify-server.mjs', import.meta.url);
  const count = String(CONNECTIONS * TOKENS_PER_CONNECTION);
  const child = fork(script, [adapter, variant, count, databaseUrl]);
  const exited = once(child, 'exit');
  const ready = await Promise.race([once(child, 'message'), exited.then(() => null)]);
  if (!ready) throw new Error(`The server "${variant}" on ${adapter} did not start.`);
  return {
    ...ready[0],
    async cpuMicros() {
      child.send('cpu');
      const [micros] = await once(child, 'message');
      return micros;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

async function load(server, tokens, seconds) {
  let next = 0;
  // Each connection has sessions of its own: without the cache, requests of one session would share reads.
  const setupClient = (client) => {
    const from = (next++ % CONNECTIONS) * TOKENS_PER_CONNECTION;
    const own = tokens.slice(from, from + TOKENS_PER_CONNECTION);
    client.setRequests(own.map((token) => ({ method: 'GET', headers: { authorization: `Bearer ${token}` } })));
  };
  const before = await server.cpuMicros();
  const result = await autocannon({ url: server.url, connections: CONNECTIONS, duration: seconds, setupClient });
  const cpu = (await server.cpuMicros()) - before;
  const good = result['2xx'];
  if (good === 0 || result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${result.non2xx} requests were refused, ${result.errors} failed and ${good} were good.`);
  }
  return { perSecond: good / result.duration, cpuMicros: cpu / good };
}
