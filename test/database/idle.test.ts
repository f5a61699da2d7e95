import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from 'lib/manual-clock.js';
import { type TestDatabase, databaseKinds } from '../support/databases.js';
import { HOUR, MINUTE, START, TestRepositories, idsOf } from './repositories.js';

const IDLE = 30 * MINUTE;
const SLACK = 20_000;

describe.each(databaseKinds)('idle sessions on $name', ({ create }) => {
  const clock = new ManualClock(START);
  let database: TestDatabase;
  let node: TestRepositories;
  let other: TestRepositories;
  const endIdle = (limit = 100, repositories = node) => repositories.sessions.endIdleSessions(IDLE, SLACK, limit);

  beforeAll(async () => {
    database = await create();
    node = await TestRepositories.open(database, clock);
    other = await TestRepositories.open(database, clock);
  });

  beforeEach(async () => {
    clock.advance(48 * HOUR);
    await node.sessions.endOverdueSessions(1000);
  });

  afterAll(async () => {
    await Promise.all([node.close(), other.close()]);
    await database.drop();
  });

  it('A58: end when they have not been used for the time and the slack, as of the time itself', async () => {
    const idle = await node.login('alice');
    await node.stores.session(idle.id).set('cart', 1);
    clock.advance(IDLE + SLACK - 1);
    const fresh = await node.login('alice');
    expect(await endIdle()).toEqual([]);
    clock.advance(1);
    expect(await endIdle()).toMatchObject([
      { sessionId: idle.id, userId: 'alice', reason: 'SESSION_IDLE', version: 2 },
    ]);
    const end = { reason: 'SESSION_IDLE', at: idle.createdAt + IDLE, by: 'system', replacedBy: null };
    expect(await node.record(idle.id)).toMatchObject({ end, version: 2 });
    expect(await node.loggedVersions(idle.id)).toEqual([2]);
    expect(await node.countData([idle.id])).toBe(0);
    expect((await node.events('alice')).at(-1)).toMatchObject({
      type: 'SESSION_ENDED',
      actor: 'system',
      reason: 'SESSION_IDLE',
      sessionId: idle.id,
    });
    expect((await node.record(fresh.id)).end).toBeNull();
    expect(await endIdle()).toEqual([]);
  });

  it('live on when they were used, counted from the last use', async () => {
    const { id } = await node.login('alice');
    clock.advance(IDLE);
    const usedAt = clock.now();
    await node.sessions.recordActivity([{ sessionId: id, at: usedAt, usedAt, ip: null }]);
    clock.advance(SLACK + IDLE - 1);
    expect(await endIdle()).toEqual([]);
    clock.advance(1);
    expect(idsOf(await endIdle())).toEqual([id]);
    expect((await node.record(id)).end!.at).toBe(usedAt + IDLE);
  });

  it('are not ended when a use is written while they are about to be', async () => {
    const [used, unused] = [await node.login('alice'), await node.login('alice')];
    clock.advance(IDLE + SLACK);
    const sweep = node.interrupted(() =>
      other.sessions.recordActivity([{ sessionId: used.id, at: clock.now(), usedAt: clock.now(), ip: null }]),
    );
    expect(idsOf(await sweep.endIdleSessions(IDLE, SLACK, 100))).toEqual([unused.id]);
    expect(await node.record(used.id)).toMatchObject({ end: null, version: 1, lastSeenAt: clock.now() });
  });

  it('A62, G7: are not revived by a use that comes late', async () => {
    const { id } = await node.login('alice');
    clock.advance(IDLE + SLACK);
    await endIdle();
    const before = await node.record(id);
    await node.sessions.recordActivity([{ sessionId: id, at: clock.now(), usedAt: clock.now(), ip: '192.0.2.9' }]);
    expect(await node.record(id)).toEqual(before);
    await expect(node.stores.session(id).set('late', 1)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
  });

  it('end as run out when that came first', async () => {
    const short = await node.login('alice', { lifeMs: MINUTE });
    clock.advance(IDLE + SLACK);
    expect(await endIdle()).toMatchObject([{ sessionId: short.id, reason: 'TOKEN_EXPIRED' }]);
    const end = { reason: 'TOKEN_EXPIRED', at: short.usableUntil, by: 'system' };
    expect((await node.record(short.id)).end).toMatchObject(end);
  });

  it('end so many at a time, longest idle first, and each once though two nodes look', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 30; index++) {
      ids.push((await node.login(`user-${index % 7}`)).id);
      clock.advance(1);
    }
    clock.advance(IDLE + SLACK);
    expect(idsOf(await endIdle(10))).toEqual(ids.slice(0, 10).sort());
    const rest = (await Promise.all([endIdle(100, node), endIdle(100, other), endIdle(100, node)])).flat();
    expect(idsOf(rest)).toEqual(ids.slice(10).sort());
    for (const id of ids) expect(await node.loggedVersions(id)).toEqual([2]);
  });

  it('of another realm are left alone', async () => {
    const { id } = await node.login('alice');
    clock.advance(IDLE + SLACK);
    expect(await endIdle(100, node.inRealm('admins'))).toEqual([]);
    expect((await node.record(id)).end).toBeNull();
  });
});
