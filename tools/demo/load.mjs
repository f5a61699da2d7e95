import { below } from './chance.mjs';
import { historyOf } from './history.mjs';
import { insertRows } from './insert.mjs';
import { usernameOf } from './people.mjs';
import { failedLogins } from './failed-logins.mjs';
import { accountRow, eventRows, failureRow, sessionRow, sightingRows } from './rows.mjs';
import { Statistics } from './statistics.mjs';
import { paysWithoutIndexes, withoutIndexes } from './without-indexes.mjs';

/** Sessions in one transaction: few enough that an application on the same SQLite file does not wait for long. */
const BATCH = 1000;

/**
 * Adds users, their sessions and the audit trail of these to a database whose tables are there.
 * @param {import('typeorm').DataSource} source
 * @param {{ sessions: number, ended: number, users: number, passwordHash: string, now: number, onProgress: (done: Totals) => void, onLock: () => void }} options
 *   `onLock` is called where the application has to wait for all of it
 * @returns {Promise<Totals>}
 *
 * @typedef {{ sessions: number, ended: number, events: number, users: number }} Totals
 */
export async function loadDemo(source, options) {
  const runner = source.createQueryRunner();
  try {
    const work = () => addAll(runner, options);
    if (!(await paysWithoutIndexes(runner, options.sessions + options.ended))) return await work();
    options.onLock();
    return await withoutIndexes(runner, ['latchkey_session', 'latchkey_event', 'latchkey_sighting'], work);
  } finally {
    await runner.release();
  }
}

async function addAll(runner, { sessions, ended, users, passwordHash, now, onProgress }) {
  const live = spread(sessions, users);
  const past = spread(ended, users);
  const done = { sessions: 0, ended: 0, events: 0, users: 0 };
  const statistics = new Statistics();
  let batch = [];
  let size = 0;
  for (let index = 0; index < users; index++) {
    if (live[index] + past[index] === 0) continue;
    batch.push({ index, username: usernameOf(index), live: live[index], ended: past[index] });
    size += live[index] + past[index];
    if (size < BATCH) continue;
    await addUsers(runner, batch, { passwordHash, now, done, statistics });
    onProgress(done);
    [batch, size] = [[], 0];
  }
  await addUsers(runner, batch, { passwordHash, now, done, statistics });
  await statistics.write(runner, now);
  return done;
}

async function addUsers(runner, users, { passwordHash, now, done, statistics }) {
  const histories = users.map((user) => ({ user, sessions: historyOf(user, now) }));
  const sessions = histories.flatMap((history) => history.sessions);
  const accounts = histories.map((one) =>
    accountRow(one.user.username, Math.min(...one.sessions.map((s) => s.createdAt))),
  );
  const failures = failedLogins(sessions, now);
  const events = histories.flatMap((one) => one.sessions.flatMap((session) => eventRows(session, one.user.index)));
  const appUsers = users.map(({ username }) => ({ username, password_hash: passwordHash, role: '' }));
  events.push(...failures.map(failureRow));
  // In the order of the index that most of them go to the end of.
  events.sort((a, b) => (a.id < b.id ? -1 : 1));
  await runner.startTransaction();
  try {
    await insertRows(runner, 'app_user', appUsers, { unlessKnown: 'username' });
    await insertRows(runner, 'latchkey_account', accounts, { unlessKnown: 'user_key' });
    await insertRows(runner, 'latchkey_session', sessions.map(sessionRow));
    await insertRows(runner, 'latchkey_sighting', sessions.flatMap(sightingRows));
    await insertRows(runner, 'latchkey_event', events);
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
  for (const session of sessions) statistics.addSession(session);
  for (const { at, reason } of failures) statistics.addFailedLogin(at, reason);
  const live = sessions.filter(({ end }) => end === null).length;
  done.sessions += live;
  done.ended += sessions.length - live;
  done.events += events.length;
  done.users += users.length;
}

/** How many each user has: one where they suffice, and the rest goes to some more often than to others. */
function spread(count, users) {
  const counts = new Uint32Array(users);
  for (let index = 0; index < count; index++) {
    counts[index < users ? index : Math.floor(users * Math.random() * Math.random())]++;
  }
  // Where there are fewer than users, not always the same ones are left out.
  const shift = below(users);
  return count >= users ? counts : counts.map((_, index) => counts[(index + shift) % users]);
}
