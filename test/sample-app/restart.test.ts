import { beforeAll, describe, expect, it } from '@jest/globals';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type SampleApp, useSampleApps } from './sample-app.js';

const SESSION_SECRET = 'the secret of a server that starts again';

interface Known {
  /** Acknowledged and not known to have ended. */
  live: string | null;
  /** Acknowledged as ended, with the reason. */
  readonly ended: { readonly token: string; readonly reason: string }[];
  /** The request that was under way when the process was killed, and what it may have made of `live`. */
  pending: 'SESSION_REPLACED' | 'SESSION_KICKED' | 'SESSION_LOGGED_OUT' | null;
}

const USERS = 8;
const ROUNDS = 3;

describe.each(kindsOf('sqlite'))('a process that is killed at any moment, on $name', (kind) => {
  const apps = useSampleApps();
  let database: TestDatabase;
  const directory = apps.directory();
  const known = Array.from({ length: USERS }, (): Known => ({ live: null, ended: [], pending: null }));
  const start = () => apps.start({ DATABASE_URL: database.url, SESSION_SECRET, SEED_USERS: String(USERS) }, directory);

  beforeAll(async () => (database = await apps.database(kind)));

  it('loses nothing that was acknowledged, and delays nobody after it', async () => {
    let app = await start();
    await app.login('bob');
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged = await workUntilKilled(app, known, 40 + Math.floor(Math.random() * 80));
      expect(acknowledged).toBeGreaterThan(USERS);
      app = await start();
      // It replaces a session, and could have had to wait until the killed process is known to be gone.
      const startedAt = performance.now();
      expect((await app.login('bob')).ended).toHaveLength(1);
      expect(performance.now() - startedAt).toBeLessThan(4000);
      await check(app, known);
    }
  });
});

/** Parallel work, one request at a time for each user, until so many were answered; then a kill in the midst of it. */
async function workUntilKilled(app: SampleApp, known: readonly Known[], answers: number): Promise<number> {
  const admin = (await app.login('admin')).accessToken;
  let acknowledged = 0;
  const work = known.map(async (user, index) => {
    const name = `user${index + 1}`;
    for (let step = index; !app.hasExited; step++) {
      const action =
        user.live === null ? 'login' : (['login', 'verify', 'login', 'kick', 'logout'] as const)[step % 5]!;
      try {
        await act(app, user, name, action, admin);
      } catch (error) {
        if (app.process.killed) return;
        throw error;
      }
      if (++acknowledged === answers) app.process.kill('SIGKILL');
    }
  });
  await Promise.all(work);
  await app.exit();
  return acknowledged;
}

async function act(
  app: SampleApp,
  user: Known,
  name: string,
  action: 'login' | 'verify' | 'kick' | 'logout',
  admin: string | null,
): Promise<void> {
  const reason = (
    { login: 'SESSION_REPLACED', kick: 'SESSION_KICKED', logout: 'SESSION_LOGGED_OUT', verify: null } as const
  )[action];
  const before = user.live;
  user.pending = reason;
  let after = before;
  if (action === 'login') {
    after = (await app.login(name)).accessToken;
  } else if (action === 'kick') {
    expect(await app.delete(`/admin/users/${name}/sessions`, admin!)).toMatchObject({ body: { ended: 1 } });
    after = null;
  } else if (action === 'logout') {
    expect((await app.post('/auth/logout', undefined, before!)).status).toBe(204);
    after = null;
  } else {
    expect((await app.get('/me', before!)).status).toBe(200);
  }
  if (before !== null && reason !== null) user.ended.push({ token: before, reason });
  user.live = after;
  user.pending = null;
}

async function check(app: SampleApp, known: readonly Known[]): Promise<void> {
  for (const user of known) {
    for (const { token, reason } of user.ended.slice(-5)) {
      expect(await app.get('/me', token)).toMatchObject({ status: 401, body: { errorCode: reason } });
    }
    if (user.live !== null) {
      const { status, body } = await app.get('/me', user.live);
      // The kill may have come between the commit and the answer, and nothing else may have ended it.
      if (user.pending === null || status === 200) expect(status).toBe(200);
      else expect(body).toMatchObject({ statusCode: 401, errorCode: user.pending });
      if (status !== 200) user.live = null;
    }
    user.pending = null;
  }
}
