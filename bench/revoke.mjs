import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { startChild } from './support/child.mjs';
import { interleaved, median, quantile, short } from './support/rounds.mjs';

const NODES = 4;
/** Ends under way at a time. The promise is about the first; the others find out how many a second there can be, and at what price. */
const LANES = [1, 2, 8];
const LOAD_SESSIONS = 200;
/** Of all cores together. */
const LOAD_SHARE = 1 / 3;
/** In milliseconds. */
const PROMISE = { p50: { share: 0.5, below: 5 }, p99: { share: 0.99, below: 50 } };

/** Whether an ended session is refused on every node from the moment its end is answered, and how long that answer takes. */
export async function revoke({ quick, databases }) {
  const { rounds, ends } = quick ? { rounds: 1, ends: 252 } : { rounds: 5, ends: 1000 };
  const database = await databases.create('postgres');
  const own = { database, redisUrl: await databases.redis(), maxEntries: 2 * ends + LOAD_SESSIONS };
  const nodes = [];
  try {
    for (let node = 0; node < NODES; node++) nodes.push(await startChild('revoke-node.mjs', own));
    const taken = await startLoad(nodes, await logIn(nodes, 'load', LOAD_SESSIONS));
    let series = 0;
    const cases = new Map(LANES.map((lanes) => [`${lanes} at a time`, lanes]));
    // Times of the first round do not count, but what was accepted does.
    const all = [];
    const samples = await interleaved(rounds, cases, async (lanes) => {
      const sessions = await logIn(nodes, `series-${series++}`, ends);
      all.push(await endAll(nodes, sessions, lanes));
      return all.at(-1);
    });
    const loads = await onAll(nodes, 'stopLoad');
    const [promised] = samples.values();
    const times = promised.flatMap(({ millis }) => millis);
    return {
      columns: ['ends', 'number', 'accepted afterwards, by any process', 'p50, ms', 'p99, ms', 'longest, ms', 'ends/s'],
      rows: [...samples].map(([name, rounds]) => row(name, rounds)),
      note: `${NODES} processes, ${rounds} rounds of ${ends} ends. The load was ${short(sum(loads, 'perSecond'))} verifications/s, which took ${short(100 * taken)} % of the processor without the ends.`,
      failures: [
        ...counted(sum(all, 'accepted'), 'ends after which a process accepted the token'),
        ...counted(sum(all, 'unknown'), 'ends after which a process could not say'),
        ...counted(sum(loads, 'bad'), 'refusals of sessions that nobody ended'),
        // A short run says nothing about times.
        ...Object.entries(PROMISE)
          .filter(([, { share, below }]) => !quick && quantile(times, share) >= below)
          .map(
            ([name, { share, below }]) => `${name} of an end: ${short(quantile(times, share))} ms, not below ${below}`,
          ),
      ],
    };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

function row(name, samples) {
  const times = samples.flatMap(({ millis }) => millis);
  const rates = samples.map(({ perSecond }) => perSecond);
  return [
    name,
    times.length.toLocaleString('en-US'),
    String(sum(samples, 'accepted')),
    short(quantile(times, 0.5)),
    short(quantile(times, 0.99)),
    short(Math.max(...times)),
    `${short(median(rates))} (${short(Math.min(...rates))} to ${short(Math.max(...rates))})`,
  ];
}

const sum = (samples, figure) => samples.reduce((total, sample) => total + sample[figure], 0);

const counted = (count, what) => (count > 0 ? [`${count} ${what}`] : []);

const onAll = (nodes, ...call) => Promise.all(nodes.map((node) => node.call(...call)));

/** Opens sessions, some on each node, and has every node remember all of them: verifying them costs it no read. */
async function logIn(nodes, name, count) {
  const given = await Promise.all(
    nodes.map((node, index) => node.call('logIn', `${name}-${index}`, count / nodes.length)),
  );
  const sessions = given.flat();
  const tokens = sessions.map(({ token }) => token);
  for (const node of nodes) {
    for (const deadline = performance.now() + 20_000; ; await setTimeout(100)) {
      if ((await node.call('verifyAll', tokens)) === 0) break;
      if (performance.now() > deadline) throw new Error('A node does not remember what it has verified.');
    }
  }
  return sessions;
}

/** Has the nodes verify at a rate that takes the share of all cores that is wanted; @returns the share that it takes. */
async function startLoad(nodes, sessions) {
  const cores = availableParallelism();
  const tokens = sessions.map(({ token }) => token);
  const used = async () => (await onAll(nodes, 'cpuMicros')).reduce((sum, micros) => sum + micros, 0);
  let [share, taken] = [(LOAD_SHARE * cores) / nodes.length, 0];
  for (let trial = 0; trial < 4; trial++) {
    if (trial > 0) await onAll(nodes, 'stopLoad');
    await onAll(nodes, 'startLoad', tokens, share);
    const [before, began] = [await used(), performance.now()];
    await setTimeout(1000);
    taken = ((await used()) - before) / 1000 / (performance.now() - began) / cores;
    share = Math.min(0.9, (share * LOAD_SHARE) / taken);
  }
  return taken;
}

/** Ends the sessions, some at a time and each on another node, and asks all nodes about each at once. */
async function endAll(nodes, sessions, lanes) {
  const millis = [];
  let [accepted, unknown, next] = [0, 0, 0];
  const began = performance.now();
  const lane = async () => {
    while (next < sessions.length) {
      const at = next++;
      const end = await nodes[at % nodes.length].call('end', sessions[at]);
      const statuses = [end.status, ...(await onAll(nodes, 'verify', sessions[at].token))];
      millis.push(end.millis);
      if (statuses.includes('VALID')) accepted++;
      if (statuses.includes('UNKNOWN')) unknown++;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { millis, accepted, unknown, perSecond: (sessions.length * 1000) / (performance.now() - began) };
}
