import { describe, expect, it } from '@jest/globals';
import { kindsOf } from '../support/databases.js';
import { SampleApps, type SampleApp, useSampleApps } from './sample-app.js';

describe('two processes that start at the same time', () => {
  const apps = useSampleApps(SampleApps.asBuilt());

  it('make one secret and one embedded database', async () => {
    const directory = apps.directory();
    await shareSessions(await Promise.all([apps.start({}, directory), apps.start({}, directory)]));
  });

  it.each(kindsOf('postgres', 'mariadb'))('make one set of tables and users on $name', async (kind) => {
    const variables = {
      DATABASE_URL: (await apps.database(kind)).url,
      SESSION_SECRET: 'one secret for both of the processes',
      SEED_USERS: '700',
    };
    const pair = await Promise.all([apps.start(variables), apps.start(variables)]);
    await pair[1].login('user700');
    await shareSessions(pair);
  });
});

/** A token of one is good at the other; an end on one is an end on the other; both know the users. */
async function shareSessions(pair: readonly [SampleApp, SampleApp]): Promise<void> {
  const [one, other] = pair;
  const alice = await one.login('alice');
  expect((await other.get('/me', alice.accessToken)).status).toBe(200);
  const again = await other.login('alice');
  expect(again.ended).toEqual([{ sessionId: alice.sessionId, reason: 'SESSION_REPLACED' }]);
  expect((await one.get('/me', alice.accessToken)).body.errorCode).toBe('SESSION_REPLACED');
  expect((await one.get('/me', again.accessToken)).status).toBe(200);
  for (const app of pair) expect([await app.end('SIGTERM'), app.stderr]).toEqual([0, '']);
}
