import { startChild } from './support/child.mjs';
import { engineName } from './support/databases.mjs';
import { get, lists, startFilled } from './operator-lists.mjs';
import { median, quantile, short } from './support/rounds.mjs';

const NODES = 4;
const KICKS = 25;
const LOGINS = 200;
/** Calls of each list, of which the median counts. */
const CALLS = 5;
const SIZES = {
  postgres: { live: 1_000_000, clients: 100_000 },
  mariadb: { live: 200_000, clients: 40_000 },
};
const QUICK_SIZE = { live: 20_000, clients: 2000 };
/** The promises: beside one kick, and beside the same list before. */
const MOST_KICKS = 3;
const MOST_LIST = 3;
/** From so many milliseconds on, a ratio is about the list and not about what else there is in a request. */
const TOLD_FROM_MS = 5;
const ENDED = 'SESSION_KICKED';

/** Whether everybody can be thrown out at once, and what it does to those who log in again and to those who look. */
export async function everybodyOut({ quick, databases }) {
  const rows = [];
  const failures = [];
  for (const kind of ['postgres', 'mariadb']) {
    const { live, clients } = quick ? QUICK_SIZE : SIZES[kind];
    const database = await databases.create(kind);
    const nodes = [];
    const server = await startFilled(database, { live, ended: 0 });
    const fail = (text) => failures.push(`${engineName(kind)}: ${text}`);
    try {
      const own = { database, redisUrl: await databases.redis(), maxEntries: 50_000 };
      for (let node = 0; node < NODES; node++) nodes.push(await startChild('revoke-node.mjs', own));
      const given = await onAll(nodes, (node, index) => node.call('logIn', `client-${index}`, clients / NODES));
      const tokens = given.map((sessions) => sessions.map(({ token }) => token));
      // Every node has a copy of these.
      const [watched, ...kicked] = given[0].slice(0, KICKS + 1);
      for (const { token } of [watched, ...kicked]) await onAll(nodes, (node) => node.call('verify', token));

      const kicks = [];
      for (const [at, session] of kicked.entries()) {
        kicks.push(
          await timed(async () => {
            await nodes[at % NODES].call('end', session);
            await refusedByAll(nodes, session.token);
          }),
        );
      }
      const before = await listTimes(server, server.ready.token);
      const call = await timed(async () => {
        await nodes[1].call('endEverything');
        await refusedByAll(nodes, watched.token);
      });
      const operator = await server.call('logInOperator');
      const { items, total } = await get({ ready: { ...server.ready, token: operator } }, '/admin/online-users?');
      if (items.length !== 1 || total !== 1)
        fail(`${items.length} sessions are listed and ${total} counted after the end, not 1`);

      const retries = onAll(nodes, (node, index) => node.call('reasonsOf', tokens[index]));
      const logins = await onAll(nodes, (node, index) => node.call('loginTimes', `again-${index}`, LOGINS / NODES));
      const during = await listTimes(server, operator);
      const reasons = (await retries).reduce((sum, counts) => sum + (counts[ENDED] ?? 0), 0);
      if (reasons !== clients) fail(`${clients - reasons} of ${clients} ended clients were not told ${ENDED}`);
      const failed = logins.reduce((sum, login) => sum + login.failed, 0);
      if (failed > 0) fail(`${failed} logins failed`);
      const ratio = call / median(kicks);
      if (ratio > MOST_KICKS) fail(`the end took ${short(ratio)} times one kick`);
      const ratios = [...before].map(([name, ms]) => [name, during.get(name) / ms]);
      for (const [name, of] of ratios) {
        if (of > MOST_LIST && during.get(name) > TOLD_FROM_MS)
          fail(`the list "${name}" took ${short(of)} times its time before`);
      }
      const [slowest, slowestRatio] = ratios.sort((a, b) => b[1] - a[1])[0];
      rows.push([
        engineName(kind),
        (live + clients).toLocaleString('en-US'),
        short(median(kicks)),
        `${short(call)} (${short(ratio)})`,
        short(
          quantile(
            logins.flatMap(({ millis }) => millis),
            0.99,
          ),
        ),
        `${short(slowestRatio)} (${slowest})`,
      ]);
      console.log(rows.at(-1).join(' | '));
    } finally {
      await Promise.all([server, ...nodes].map((one) => one.stop()));
    }
  }
  return {
    columns: [
      'database',
      'live sessions',
      'one kick, ms',
      'everybody out, ms (ratio)',
      'p99 of a login meanwhile, ms',
      'slowest list beside its time before',
    ],
    rows,
    note: `From the call until all of ${NODES} processes refuse; the kick is the median of ${KICKS}. All ended clients ask again at once while ${LOGINS} users log in.`,
    failures,
  };
}

const onAll = (nodes, work) => Promise.all(nodes.map(work));

async function refusedByAll(nodes, token) {
  let statuses;
  do statuses = await onAll(nodes, (node) => node.call('verify', token));
  while (statuses.some((status) => status !== 'INVALID'));
}

/** The first page of each list that operators have. @returns {Promise<Map<string, number>>} milliseconds */
async function listTimes(server, token) {
  const times = new Map();
  for (const [name, path] of Object.entries(lists(Date.now()))) {
    const taken = [];
    for (let call = 0; call < CALLS; call++) {
      taken.push(await timed(() => get({ ready: { ...server.ready, token } }, path)));
    }
    times.set(name, median(taken));
  }
  return times;
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
