import { startChild } from './support/child.mjs';
import { loadGenerator } from './support/load.mjs';
import { interleaved, median, short } from './support/rounds.mjs';
import { CONNECTIONS, TURN_MS, besideNeighbours, middleText } from './support/turns.mjs';

const SESSIONS = 200;
const WITHOUT = '/unused';
const WITH = '/used';
/** The promise: least throughput with all of it, beside the same without. */
const LEAST_RATIO = 0.97;

const VARIANTS = [
  { name: 'last use', sightings: false },
  { name: 'last use and sightings', sightings: true },
];

/**
 * What it costs a request that its use of the session is noted, and a process that the uses are written. Both routes are of one
 * process, since two processes of one application differ by more than that (see verify.mjs). On Fastify: on Express two routes of
 * one process differ by up to a sixth, in either direction, for as long as it lives. What is written is written in the turns of
 * either route, so that it is measured apart.
 */
export async function activity({ quick, databases }) {
  const { rounds, processes, writes } = quick
    ? { rounds: 2, processes: 1, writes: 1 }
    : { rounds: 10, processes: 3, writes: 3 };
  const seconds = 6;
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
    const samples = await interleaved(rounds, servers, async (group) => {
      const turns = [];
      for (const server of group) turns.push(...(await load(generator, server, seconds)));
      return turns;
    });
    const rows = [];
    const failures = [];
    for (const [name, group] of servers) {
      const shares = [];
      for (let write = 0; write < writes; write++) shares.push(await group[0].call('shareOfWrites'));
      const { row, failure } = resultOf(name, samples.get(name).flat(), median(shares));
      rows.push(row);
      if (failure) failures.push(failure);
    }
    return {
      columns: [
        'what is noted',
        'requests/s',
        'ratio to a route that notes nothing',
        'CPU time of it, µs',
        'writes, of a CPU',
      ],
      rows,
      failures,
      note: `${generator.name} with ${CONNECTIONS} connections, ${SESSIONS} sessions, processes of each: ${processes}; ${rounds} rounds in which both routes of each process are loaded for ${seconds} s, in turns of ${TURN_MS} ms. In brackets what the middle half of the ratios is between.`,
    };
  } finally {
    await Promise.all([...servers.values()].flat().map((server) => server.stop()));
  }
}

/** @param {number} share of a CPU that writing takes */
function resultOf(name, turns, share) {
  const all = (figure) => turns.map((turn) => turn[figure]);
  const left = median(all('ratio')) - share;
  return {
    row: [
      name,
      short(median(all('perSecond'))),
      middleText(all('ratio')),
      median(all('addedMicros')).toFixed(1),
      `${(100 * share).toFixed(2)} %`,
    ],
    failure: left < LEAST_RATIO ? `Noting and writing ${name} leaves ${short(left)} of the throughput.` : undefined,
  };
}

async function load(generator, server, seconds) {
  const { origin, headers } = server.ready;
  await generator.run({ origin, paths: [WITHOUT, WITH], headers, seconds });
  return besideNeighbours(await server.call('turns'), WITH);
}
