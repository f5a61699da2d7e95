import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { timeOfEvent } from 'lib/audit.js';
import { type Row, sql } from 'lib/sql.js';
import { ManualClock } from 'lib/manual-clock.js';
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

  it('of one step are each written down with what is known of them, whichever way they end', async () => {
    await node.write(sql`DELETE FROM ${node.database.tables.event}`);
    await node.write(sql`DELETE FROM ${node.database.tables.change}`);
    const overdue = await node.login('carol', { lifeMs: 1000 });
    const kicked = [await node.login('dave'), await node.login('erin')];
    const { session, event, change } = node.database.tables;
    for (const { id, userId } of kicked) {
      await node.write(
        sql`UPDATE ${session} SET device_type = 'phone', device_name = ${`${userId}'s "phone"`} WHERE id = ${id}`,
      );
    }
    clock.advance(1000);
    const ids = [overdue, ...kicked].map(({ id }) => id);
    const ended = await node.sessions.endSessions(ids, { ...KICK, comment: 'a "test", 100 %' });
    expect(idsOf(ended).sort()).toEqual([...ids].sort());
    const rows = await node.rows(sql`SELECT * FROM ${event} WHERE type = 'SESSION_ENDED' ORDER BY id`);
    const written = new Map<unknown, Row>(rows.map((row) => [row.session_id, { ...row, at: Number(row.at) }]));
    const common = { realm: 'users', at: clock.now(), ip: '192.0.2.1', ended: null };
    const { userKey: user_key } = overdue;
    expect(written.size).toBe(rows.length);
    expect(written.get(overdue.id)).toMatchObject({
      ...common,
      ...{ user_key, user_id: 'carol', reason: 'TOKEN_EXPIRED', actor: 'system', device_type: null, device_name: null },
      detail: null,
    });
    for (const { id, userId, userKey } of kicked) {
      const row = written.get(id)!;
      expect(row).toMatchObject({
        ...common,
        ...{ user_key: userKey, user_id: userId, reason: 'SESSION_KICKED', actor: 'root' },
        ...{ device_type: 'phone', device_name: `${userId}'s "phone"` },
      });
      expect(JSON.parse(String(row.detail))).toEqual({ comment: 'a "test", 100 %' });
    }
    expect(rows.every(({ id }) => /^[0-9a-f]{32}$/.test(String(id)) && timeOfEvent(String(id)) === clock.now())).toBe(
      true,
    );
    const changes = await node.rows(sql`SELECT * FROM ${change} WHERE realm = 'users' AND at = ${clock.now()}`);
    expect(changes.map((row) => [row.session_id, Number(row.version)]).sort()).toEqual(ids.map((id) => [id, 2]).sort());
  });
});
