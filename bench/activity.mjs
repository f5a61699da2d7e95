import { startChild } from './support/child.mjs';
import { loadGenerator } from './support/load.mjs';
import { interleaved, median, ratio, ratioText, short } from './support/rounds.mjs';

const CONNECTIONS = 20;
const SESSIONS = 200;
/** So that neither route has it better for its place. */
const ABBA = ['/unused', '/used', '/used', '/unused'];
/** The promise: least throughput with all of it, beside the same without. */
const LEAST_RATIO = 0.97;

const VARIANTS = [
  { name: 'last use', sightings: false },
  { name: 'last use and sightings', sightings: true },
];

/**
 * What it costs a request that its use of the session is noted and written. Both routes are of one process, since two
 * processes of one application differ by more than that (see verify.mjs). On Fastify: on Express two routes of one process differ
 * by up to a sixth, in either direction, for as long as it lives.
 */
export async function activity({ quick, databases }) {
  const { rounds, warmUp, processes } = quick
    ? { rounds: 2, warmUp: 1, processes: 1 }
    : { rounds: 10, warmUp: 3, processes: 3 };
  const generator = await loadGenerator();
  const servers = new Map();
  try {
    for (const { name, sightings } of VARIANTS) {
      servers.set(name, []);
      for (let process = 0; process < processes; process++) {
        const databaseUrl = (await databases.create('postgres')).url;
        servers.get(name).push(await startChild('activity-server.mjs', { sightings, count: SESSIONS, databaseUrl }));
      }
    }
    for (const server of [...servers.values()].flat()) {
      for (const path of ['/unused', '/used']) await load(generator, server, path, warmUp);
    }
    const samples = await interleaved(rounds, servers, async (group) => {
      const pairs = [];
      for (const server of group) {
        // A process that has not been loaded for a while takes some time to get going.
        await load(generator, server, '/used', 1);
        const loads = [];
        for (const path of ABBA) loads.push(await load(generator, server, path, 1));
        const [unused, used, again, last] = loads;
        pairs.push({ unused: mean(unused, last), used: mean(used, again) });
      }
      return pairs;
    });
    const results = [...samples].map(([name, taken]) => resultOf(name, taken.flat()));
    return {
      columns: ['what is noted', 'requests/s', 'ratio to a route that notes nothing', 'CPU time of it, µs'],
      rows: results.map(({ row }) => row),
      failures: results.flatMap(({ failure }) => failure ?? []),
      note: `${generator.name} with ${CONNECTIONS} connections, ${SESSIONS} sessions, processes of each: ${processes}; ${rounds} rounds in which both routes of each process are loaded for 2 s each. In brackets the lowest and the highest ratio of any round.`,
    };
  } finally {
    await Promise.all([...servers.values()].flat().map((server) => server.stop()));
  }
}

function resultOf(name, samples) {
  const [used, unused] = ['used', 'unused'].map((path) => samples.map((sample) => sample[path]));
  const [usedRates, unusedRates] = [used, unused].map((all) => all.map(({ perSecond }) => perSecond));
  const { median: middle } = ratio(usedRates, unusedRates);
  const isSlow = middle < LEAST_RATIO;
  return {
    row: [
      name,
      short(median(usedRates)),
      ratioText(usedRates, unusedRates),
      median(used.map(({ cpuMicros }, at) => cpuMicros - unused[at].cpuMicros)).toFixed(1),
    ],
    failure: isSlow ? `Noting ${name} leaves ${short(middle)} of the throughput.` : undefined,
  };
}

function mean(one, other) {
  return {
    perSecond: (one.perSecond + other.perSecond) / 2,
    cpuMicros: (one.cpuMicros + other.cpuMicros) / 2,
  };
}

async function load(generator, server, path, seconds) {
  const { origin, headers } = server.ready;
  const before = await server.call('cpuMicros');
  const { answers, refused, failed, ...took } = await generator.run({
    url: origin + path,
    headers,
    connections: CONNECTIONS,
    seconds,
  });
  const cpu = (await server.call('cpuMicros')) - before;
  if (answers === 0 || refused + failed > 0) {
    throw new Error(`Of ${answers} requests to ${path}, ${refused} were refused, and ${failed} failed.`);
  }
  return { perSecond: answers / took.seconds, cpuMicros: cpu / answers };
}
