import { setTimeout as pause } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { startChild } from './support/child.mjs';
import { fillWithRecords, fillWithSessions } from './support/many-sessions.mjs';
import { interleaved, median, quantile, ratio, ratioText, short } from './support/rounds.mjs';

/** One session in five that fillWithSessions makes is of it. */
const METHOD = 'passkey';
/** One in ten, and seven in ten: what is kicked in portions at each pace. */
const METHODS = { gentle: 'oauth', fast: 'password' };
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
/** The promise: how much more a fast kick ends in a second than a gentle one. */
const LEAST_SPEED = 10;

/**
 * What kicks of everyone who matches a filter do to the requests of the others, at either pace, and whether they are whole. Kicks
 * of some seconds at each pace, and as long without, are measured in turns.
 */
export async function bulkKick({ quick, databases }) {
  const live = quick ? 40_000 : 500_000;
  const portion = quick ? { gentle: 500, fast: 5000 } : { gentle: 2000, fast: 20_000 };
  const rounds = quick ? 4 : 15;
  const database = await databases.create('postgres');
  await (await startChild('operator-server.mjs', { database })).stop();
  const source = await new DataSource(database).initialize();
  let server;
  try {
    await fillWithSessions(source, { live, ended: 0 });
    await fillWithRecords(source, { failedLogins: 10 });
    server = await startChild('operator-server.mjs', { database });
    const doomed = await server.call('logIn', DOOMED, METHOD);
    const used = await server.call('logIn', USED, 'used');
    const load = startLoad(server, used);
    const speeds = { gentle: [], fast: [] };
    let windowMs = 2000;
    const cases = new Map([['alone', () => pause(windowMs)]]);
    for (const pace of ['gentle', 'fast']) {
      const portions = await portionsOf(source, METHODS[pace], portion[pace]);
      cases.set(pace, async () => {
        const began = performance.now();
        await kick(server, portions.next().value, pace);
        windowMs = performance.now() - began;
        speeds[pace].push((portion[pace] * 1000) / windowMs);
      });
    }
    const slowest = await interleaved(rounds, cases, async (during) => {
      load.take();
      await during();
      return quantile(load.take(), 0.99);
    });
    // The first of each was thrown away.
    for (const pace of ['gentle', 'fast']) speeds[pace].shift();
    load.take();
    const began = performance.now();
    const kicking = kick(server, { loginMethod: METHOD }, 'fast');
    const windows = await windowsWhile(kicking, load);
    const lines = await kicking;
    const took = performance.now() - began;
    await load.stop();
    const portions = (rounds + 1) * (portion.gentle + portion.fast);
    const expected = { last: live / 5 + DOOMED, all: live / 5 + DOOMED + portions, orders: 2 * (rounds + 1) + 1 };
    const failures = await whatIsMissing({ source, server, lines, doomed, expected });
    const alone = slowest.get('alone');
    for (const pace of ['gentle', 'fast']) {
      const slower = ratio(slowest.get(pace), alone).median;
      if (slower <= MOST_RATIO) continue;
      failures.push(`A request in a hundred takes ${short(slower)} times as long during a ${pace} kick.`);
    }
    const faster = ratio(speeds.fast, speeds.gentle).median;
    if (faster < LEAST_SPEED) failures.push(`A fast kick ends ${short(faster)} times as many in a second.`);
    const rowOf = (pace) => [
      pace,
      short(median(speeds[pace])),
      ratioText(speeds[pace], speeds.gentle),
      short(median(slowest.get(pace))),
      ratioText(slowest.get(pace), alone),
    ];
    return {
      columns: ['pace', 'ended per second', 'ratio to gentle', 'p99 of GET /me meanwhile, ms', 'ratio to alone'],
      rows: [rowOf('gentle'), rowOf('fast'), ['alone', '', '', short(median(alone)), '']],
      note: `PostgreSQL, ${live.toLocaleString('en-US')} live sessions, one server, ${CONNECTIONS} connections with a request every ${EVERY_MS} ms each; kicks of ${portion.gentle.toLocaleString('en-US')} and ${portion.fast.toLocaleString('en-US')} in ${rounds} rounds. Then ${lines.at(-1).ended.toLocaleString('en-US')} at once, fast: ${short(took / 1000)} s, ${lines.length} lines of progress, and a p99 of ${short(median(windows.map((times) => quantile(times, 0.99))))} ms in ${WINDOW_MS / 1000} s of it.`,
      failures,
    };
  } finally {
    await source.destroy();
    await server?.stop();
  }
}

/** Filters that so many sessions match each, none of them the same. @returns {Promise<Iterator<object>>} */
async function portionsOf(source, loginMethod, size) {
  const rows = await source.query(
    `SELECT created_at FROM latchkey_session WHERE status = 'live' AND login_method = '${loginMethod}' ORDER BY created_at`,
  );
  const times = rows.map((row) => Number(row.created_at));
  return (function* () {
    for (let from = 0; from + size <= times.length; from += size) {
      yield {
        loginMethod,
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
async function kick({ ready: { origin, token } }, filter, pace) {
  const answer = await fetch(`${origin}/admin/kick`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ filter, pace, reason: 'benchmark' }),
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
