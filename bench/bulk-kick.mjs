import { setTimeout as pause } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { startChild } from './support/child.mjs';
import { fillWithRecords, fillWithSessions } from './support/many-sessions.mjs';
import { interleaved, median, quantile, ratio, ratioText, short } from './support/rounds.mjs';

/** One session in five that fillWithSessions makes is of it, and one in ten of the other. */
const METHOD = 'passkey';
const METHOD_OF_PORTIONS = 'oauth';
/** Sessions with tokens among those that are ended, and among those that are not. */
const DOOMED = 500;
const USED = 100;
/** Requests that are under way at once, and the time from one to the next of each: a thousand a second in all. */
const CONNECTIONS = 16;
const EVERY_MS = 16;
/** The large kick is looked at in pieces as long as the small ones take, since what else the machine does comes and goes. */
const WINDOW_MS = 5000;
/** The promise: how much longer the slowest of a hundred requests may take meanwhile. */
const MOST_RATIO = 2;

/**
 * What a kick of everyone who matches a filter does to the requests of the others, and whether it is whole. The first is measured
 * with kicks of some seconds and as long without, in turns.
 */
export async function bulkKick({ quick, databases }) {
  const live = quick ? 40_000 : 500_000;
  const portion = quick ? 1000 : 2000;
  const rounds = quick ? 3 : 15;
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
    const portions = await portionsOf(source, portion);
    let windowMs = 2000;
    const kickPortion = async () => {
      const began = performance.now();
      await kick(server, portions.next().value);
      windowMs = performance.now() - began;
    };
    const cases = new Map([
      ['alone', () => pause(windowMs)],
      ['kick', kickPortion],
    ]);
    const slowest = await interleaved(rounds, cases, async (during) => {
      load.take();
      await during();
      return quantile(load.take(), 0.99);
    });
    load.take();
    const began = performance.now();
    const kicking = kick(server, { loginMethod: METHOD });
    const windows = await windowsWhile(kicking, load);
    const lines = await kicking;
    const took = performance.now() - began;
    await load.stop();
    const expected = { last: live / 5 + DOOMED, all: live / 5 + DOOMED + (rounds + 1) * portion, orders: rounds + 2 };
    const failures = await whatIsMissing({ source, server, lines, doomed, expected });
    const [alone, meanwhile] = ['alone', 'kick'].map((name) => slowest.get(name));
    if (ratio(meanwhile, alone).median > MOST_RATIO) {
      failures.push(
        `A request in a hundred takes ${short(ratio(meanwhile, alone).median)} times as long during a kick.`,
      );
    }
    return {
      columns: [
        'p99 of GET /me alone, ms',
        `p99 during kicks of ${portion.toLocaleString('en-US')}, ms`,
        'ratio',
        'sessions of the large kick',
        'seconds',
        'lines of progress',
        `p99 in ${WINDOW_MS / 1000} s of it, ms`,
      ],
      rows: [
        [
          short(median(alone)),
          short(median(meanwhile)),
          ratioText(meanwhile, alone),
          lines.at(-1).ended.toLocaleString('en-US'),
          short(took / 1000),
          String(lines.length),
          short(median(windows.map((times) => quantile(times, 0.99)))),
        ],
      ],
      note: `PostgreSQL, ${live.toLocaleString('en-US')} live sessions, one server, ${CONNECTIONS} connections with a request every ${EVERY_MS} ms each, in ${rounds} rounds; ${windows.flat().length} requests during the large kick.`,
      failures,
    };
  } finally {
    await source.destroy();
    await server?.stop();
  }
}

/** Filters that so many sessions match each, none of them the same. @returns {Promise<Iterator<object>>} */
async function portionsOf(source, size) {
  const rows = await source.query(
    `SELECT created_at FROM latchkey_session WHERE status = 'live' AND login_method = '${METHOD_OF_PORTIONS}' ORDER BY created_at`,
  );
  const times = rows.map((row) => Number(row.created_at));
  return (function* () {
    for (let from = 0; from + size <= times.length; from += size) {
      yield {
        loginMethod: METHOD_OF_PORTIONS,
        createdFrom: times[from],
        createdTo: times[from + size] ?? times.at(-1) + 1,
      };
    }
  })();
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

/** The times of requests, by windows, until something has come to its end. */
async function windowsWhile(work, load) {
  const windows = [];
  let isOver = false;
  const end = work.then(() => (isOver = true));
  while (!isOver) {
    await Promise.race([end, pause(WINDOW_MS)]);
    windows.push(load.take());
  }
  return windows.filter((times) => times.length > 0);
}

/** @returns {Promise<any[]>} the lines of the answer */
async function kick({ ready: { origin, token } }, filter) {
  const answer = await fetch(`${origin}/admin/kick`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ filter, reason: 'benchmark' }),
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
  if (!last.finished || last.ended !== expected.last) failures.push(`The last line is ${JSON.stringify(last)}.`);
  for (const token of doomed) {
    const answer = await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } });
    const { errorCode } = await answer.json();
    if (errorCode !== 'SESSION_KICKED') failures.push(`A session that was kicked is answered ${errorCode}.`);
  }
  const counted = async (table, where) => {
    const [{ count }] = await source.query(`SELECT COUNT(*) AS count FROM ${table} WHERE ${where}`);
    return Number(count);
  };
  const left = await counted('latchkey_session', `status = 'live' AND login_method = '${METHOD}'`);
  if (left > 0) failures.push(`${left} sessions are live that match.`);
  const audited = await counted('latchkey_event', `type = 'SESSION_ENDED' AND reason = 'SESSION_KICKED'`);
  if (audited !== expected.all) failures.push(`${audited} ends are in the audit trail.`);
  const orders = await counted('latchkey_event', `type = 'BULK_KICK'`);
  if (orders !== 2 * expected.orders)
    failures.push(`The audit trail tells ${orders} times of a kick that begins or ends.`);
  return [...new Set(failures)];
}
