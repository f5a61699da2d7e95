import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../lib/testing/manual-clock.js';
import { type TestDatabase, databaseKinds } from '../support/databases.js';
import { HOUR, START, TestRepositories, idsOf } from './repositories.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;

describe.each(databaseKinds)('live sessions on $name', ({ create }) => {
  const clock = new ManualClock(START);
  let database: TestDatabase;
  let node: TestRepositories;
  let other: TestRepositories;

  beforeAll(async () => {
    database = await create();
    node = await TestRepositories.open(database, clock);
    other = await TestRepositories.open(database, clock);
  });

  afterAll(async () => {
    await Promise.all([node.close(), other.close()]);
    await database.drop();
  });

  it('are not ended as overdue when they are renewed while they are about to be', async () => {
    const [renewed, overdue] = [await node.login('alice'), await node.login('alice')];
    clock.advance(HOUR);
    const sweep = node.interrupted(() => {
      const patch = { usableUntil: clock.now() + HOUR };
      return other.sessions.changeSession(renewed.id, () => ({ result: null, patch }));
    });
    expect(idsOf(await sweep.endOverdueSessions(100))).toEqual([overdue.id]);
    expect(await node.record(renewed.id)).toMatchObject({ end: null, version: 2 });
  });

  it('of another realm are not ended, and nothing is said of them', async () => {
    const { id } = await node.login('bob');
    const admins = node.inRealm('admins');
    expect(await admins.sessions.endSession(id, KICK)).toBeNull();
    expect(await admins.sessions.endSessions([id], KICK)).toEqual([]);
    expect(await node.record(id)).toMatchObject({ end: null, version: 1 });
    expect(await node.sessions.endSessions([id], KICK)).toMatchObject([{ sessionId: id, version: 2 }]);
  });
});
