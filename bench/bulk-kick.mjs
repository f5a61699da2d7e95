import { setTimeout as pause } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { startChild } from './support/child.mjs';
import { fillWithRecords, fillWithSessions } from './support/many-sessions.mjs';
import { quantile, ratio, ratioText, short } from './support/rounds.mjs';

/** One session in five that fillWithSessions makes is of it. */
const METHOD = 'passkey';
/** Sessions with tokens among those that are ended, and among those that are not. */
const DOOMED = 500;
const USED = 100;
/** Requests that are under way at once, and the time from one to the next of each: some hundred a second in all. */
const CONNECTIONS = 8;
const EVERY_MS = 25;
/** The promise: how much longer the slowest of a hundred requests may take meanwhile. */
const MOST_RATIO = 2;

/** What a kick of everyone who matches a filter does to the requests of the others, and whether it is whole. */
export async function bulkKick({ quick, databases }) {
  const live = quick ? 10_000 : 500_000;
  const seconds = quick ? 3 : 20;
  const database = await databases.create('postgres');
  await (await startChild('operator-server.mjs', { database })).stop();
  const source = await new DataSource(database).initialize();
  let server;
  try {
    await fillWithSessions(source, { live, ended: 0 });
    await fillWithRecords(source, { failedLogins: 10 });
    server = await startChild('operator-server.mjs', { database });
    const doomed = await server.call('logIn', DOOMED, METHOD);
    const used = await server.call('logIn', USED, 'password');
    const load = startLoad(server, used);
    await pause(2000);
    load.take();
    await pause(seconds * 1000);
    const before = load.take();
    const began = performance.now();
    const lines = await kick(server);
    const took = performance.now() - began;
    const during = load.take();
    await pause(seconds * 1000);
    const after = load.take();
    await load.stop();
    const { ended } = lines.at(-1);
    const failures = await whatIsMissing({ source, server, lines, doomed, expected: live / 5 + DOOMED });
    const slowest = (times) => quantile(times, 0.99);
    // The load before and after is the same; what differs between the two is what the machine does by itself.
    const base = [before, after].map(slowest);
    const taken = [slowest(during), slowest(during)];
    if (ratio(taken, base).median > MOST_RATIO) {
      failures.push(`A request in a hundred takes ${short(ratio(taken, base).median)} times as long during a kick.`);
    }
    return {
      columns: [
        'sessions ended',
        'seconds',
        'lines of progress',
        'p99 of GET /me before and after, ms',
        'p99 during, ms',
        'ratio',
      ],
      rows: [
        [
          ended.toLocaleString('en-US'),
          short(took / 1000),
          String(lines.length),
          base.map(short).join(' and '),
          short(slowest(during)),
          ratioText(taken, base),
        ],
      ],
      note: `PostgreSQL, ${live.toLocaleString('en-US')} live sessions, one server, ${CONNECTIONS} connections with a request every ${EVERY_MS} ms each, ${before.length} requests before and ${during.length} during.`,
      failures,
    };
  } finally {
    await source.destroy();
    await server?.stop();
  }
}

/** Requests of live sessions, at the same rate whatever the answers take. */
function startLoad({ ready: { origin } }, tokens) {
  let times = [];
  let failure = null;
  let isOver = false;
  const connection = async (index) => {
    for (let turn = index; !isOver; turn += CONNECTIONS) {
      const began = performance.now();
      const headers = { authorization: `Bearer ${tokens[turn % tokens.length]}` };
      const answer = await fetch(`${origin}/me`, { headers });
      await answer.arrayBuffer();
      const time = performance.now() - began;
      if (answer.status !== 200) failure ??= new Error(`A live session was answered ${answer.status}.`);
      times.push(time);
      await pause(Math.max(0, EVERY_MS - time));
    }
  };
  const all = Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => connection(index)));
  all.catch((error) => (failure ??= error));
  return {
    /** The times since the last call, in milliseconds. */
    take() {
      if (failure) throw failure;
      const taken = times;
      times = [];
      return taken;
    },
    async stop() {
      isOver = true;
      await all;
    },
  };
}

/** @returns {Promise<any[]>} the lines of the answer */
async function kick({ ready: { origin, token } }) {
  const answer = await fetch(`${origin}/admin/kick`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ filter: { loginMethod: METHOD }, reason: 'benchmark' }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`The kick was answered ${answer.status}: ${text}`);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function whatIsMissing({
  source,
  server: {
    ready: { origin },
  },
  lines,
  doomed,
  expected,
}) {
  const failures = [];
  const last = lines.at(-1);
  if (!last.finished || last.ended !== expected) failures.push(`The last line is ${JSON.stringify(last)}.`);
  for (const token of doomed) {
    const answer = await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } });
    const { errorCode } = await answer.json();
    if (errorCode !== 'SESSION_KICKED') failures.push(`A session that was kicked is answered ${errorCode}.`);
  }
  const counted = async (table, where) => {
    const [{ count }] = await source.query(`SELECT COUNT(*) AS count FROM ${table} WHERE ${where}`);
    return Number(count);
  };
  const left = await counted('user_session', `status = 'live' AND login_method = '${METHOD}'`);
  if (left > 0) failures.push(`${left} sessions are live that match.`);
  const audited = await counted('user_session_event', `type = 'SESSION_ENDED' AND reason = 'SESSION_KICKED'`);
  if (audited !== expected) failures.push(`${audited} ends are in the audit trail.`);
  const orders = await counted('user_session_event', `type = 'BULK_KICK'`);
  if (orders !== 2) failures.push(`The audit trail tells of the kick ${orders} times, not at its begin and its end.`);
  return [...new Set(failures)];
}
