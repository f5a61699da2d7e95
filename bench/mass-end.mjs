import { setTimeout as pause } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { userKey } from '../dist/esm/model/user-key.js';
import { quantile, short } from './support/rounds.mjs';
import { multiDevice } from 'nestjs-latchkey';
import { logInOne, startSessions } from './support/sessions.mjs';
import { account } from './support/accounts.mjs';

const KINDS = ['sqlite', 'postgres', 'mariadb'];
const BY = { by: 'bench' };
/** Time between two requests of others, each a read of the database. */
const EVERY_MS = 5;
const ALONE_MS = 8000;
/** How long the closing of rows is looked at: all of them take up to half an hour on SQLite. */
const WATCH_MS = 20_000;
/** The promises: the longest time of a call, and how much longer the slowest of a hundred requests of others may take meanwhile. */
const BUDGET_MS = 5000;
const MOST_RATIO = 2;
const MOST_LIST = 3;

/** Calls whose time must not depend on how many live sessions their user has. */
const CALLS = [
  { name: 'login', user: 'kicked', call: ({ tokens }, user) => tokens.login(user) },
  {
    name: 'ban from a service',
    user: 'kicked',
    call: ({ operators }, user) => operators.ban(user, { ...BY, service: 'mail' }),
  },
  { name: 'kickUser', user: 'kicked', ends: true, call: ({ operators }, user) => operators.kickUser(user, BY) },
  { name: 'ban', user: 'banned', ends: true, call: ({ operators }, user) => operators.ban(user, BY) },
  { name: 'revokeSessions', user: 'revoked', ends: true, call: ({ tokens }, user) => tokens.revokeSessions(user) },
];

/** 32 hex digits. */
const RANDOM_ID = {
  sqlite: 'lower(hex(randomblob(16)))',
  postgres: 'md5(random()::text || id)',
  mariadb: 'MD5(CONCAT(id, RAND()))',
};

/** What it takes to ban or end a user with very many sessions, whose rows are closed afterwards, and what it does to everybody else. */
export async function massEnd({ quick, databases }) {
  const count = quick ? 2000 : 100_000;
  const rows = [];
  const failures = [];
  for (const kind of KINDS) {
    const database = await databases.create(kind);
    const sessions = await startSessions({ database, policy: multiDevice({ max: Infinity }) });
    const source = await new DataSource(database).initialize();
    try {
      for (const user of new Set(CALLS.map(({ user }) => user))) {
        await multiply(sessions, source, RANDOM_ID[kind], user, count);
      }
      const others = Array.from({ length: 20 }, (_, index) => logInOne(sessions.tokens, account(`other-${index}`)));
      const load = startLoad(
        sessions,
        (await Promise.all(others)).map(({ accessToken }) => accessToken),
      );
      const listBefore = await listTime(sessions);
      load.take();
      await pause(ALONE_MS);
      const alone = quantile(load.take(), 0.99);
      for (const { name, user, call, ends = false } of CALLS) {
        const callMs = await timed(() => call(sessions, user));
        if (name === 'ban') await sessions.operators.liftBan(user, BY);
        const loginMs = await timed(() => sessions.tokens.login(user));
        const row = [kind, name, count.toLocaleString('en-US'), short(callMs), short(loginMs)];
        const times = { [name]: callMs, [`login after ${name}`]: loginMs };
        if (ends) {
          // Most rows of the first are not closed yet.
          const againMs = await timed(() => call(sessions, user));
          if (name === 'ban') await sessions.operators.liftBan(user, BY);
          times[`${name} again`] = againMs;
          const perSecond = await closed(source, user);
          const meanwhile = quantile(load.take(), 0.99);
          const listMs = await listTime(sessions);
          load.take();
          row.push(short(againMs), short(perSecond), `${short(meanwhile)} (${short(meanwhile / alone)})`);
          row.push(`${short(listMs)} (${short(listMs / listBefore)})`);
          if (listMs > MOST_LIST * listBefore)
            failures.push(`${kind}: the list took ${short(listMs / listBefore)} times`);
          // A short run says nothing about the slowest requests.
          if (!quick && meanwhile > MOST_RATIO * alone)
            failures.push(`${kind}: others waited ${short(meanwhile / alone)} times`);
        } else {
          row.push('', '', '', '');
          load.take();
        }
        rows.push(row);
        for (const [what, ms] of Object.entries(times)) {
          if (ms > BUDGET_MS) failures.push(`${kind}: ${what} took ${short(ms)} ms, more than ${BUDGET_MS}`);
        }
      }
      await load.stop();
    } finally {
      await source.destroy();
      await sessions.close();
    }
  }
  return {
    columns: [
      '',
      'call',
      'sessions',
      'ms',
      'next login, ms',
      'again, ms',
      'rows closed/s',
      'p99 of others, ms (ratio)',
      'list of users, ms (ratio)',
    ],
    rows,
    note: `Each of these users has ${count.toLocaleString('en-US')} live sessions; others verify ${1000 / EVERY_MS} tokens a second from the database. The closing is looked at for ${WATCH_MS / 1000} s at most.`,
    failures,
  };
}

/** Logs a user in, and copies the row until there are so many. */
async function multiply({ tokens }, source, randomId, user, count) {
  const { session } = await tokens.login(user);
  const [row] = await source.query(`SELECT * FROM latchkey_session WHERE id = '${session.id}'`);
  const columns = Object.keys(row).filter((name) => name !== 'id' && name !== 'slot');
  const from = `(SELECT ${randomId} AS fresh, latchkey_session.* FROM latchkey_session WHERE user_key = '${userKey('users', user)}' LIMIT`;
  for (let have = 1; have < count; have = Math.min(2 * have, count)) {
    await source.query(
      `INSERT INTO latchkey_session (id, slot, ${columns.join(', ')}) SELECT fresh, fresh, ${columns.join(', ')}
       FROM ${from} ${Math.min(have, count - have)}) AS copied`,
    );
  }
}

async function countOf(source, user) {
  const where = `user_key = '${userKey('users', user)}' AND status = 'live'`;
  const [{ total }] = await source.query(`SELECT COUNT(*) AS total FROM latchkey_session WHERE ${where}`);
  return Number(total);
}

/** Waits until all are closed but those that have logged in since, or for a while. @returns rows closed per second */
async function closed(source, user) {
  const began = performance.now();
  const before = await countOf(source, user);
  let left = before;
  while (left > 2 && performance.now() - began < WATCH_MS) {
    await pause(1000);
    left = await countOf(source, user);
  }
  return ((before - left) * 1000) / (performance.now() - began);
}

const listTime = ({ online }) => timed(() => online.listUsers({ limit: 50 }));

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function startLoad({ tokens }, given) {
  let times = [];
  let stopping = false;
  const run = async () => {
    for (let turn = 0; !stopping; turn++) {
      const began = performance.now();
      void tokens
        .verify(given[turn % given.length], { strict: true })
        .then(() => times.push(performance.now() - began));
      await pause(EVERY_MS);
    }
  };
  const running = run();
  return {
    take: () => times.splice(0),
    async stop() {
      stopping = true;
      await running;
      times = [];
    },
  };
}
