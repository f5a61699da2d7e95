import { beforeEach, expect, it } from '@jest/globals';
import { timeOfEvent } from 'lib/audit.js';
import { type Row, sql } from 'lib/sql.js';
import { HOUR, MINUTE, describeRepository, idsOf } from './repositories.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;
const IDLE = 30 * MINUTE;
const SLACK = 20_000;

describeRepository('live sessions', ({ clock, node, other }) => {
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
    const logged = new Map<unknown, Row>(changes.map((row) => [row.id, { ...row, version: Number(row.version) }]));
    expect(changes.map(({ id }) => id).sort()).toEqual([...ids].sort());
    const about = { kind: 'session', version: 2, user_key };
    expect(logged.get(overdue.id)).toMatchObject({ ...about, reason: 'TOKEN_EXPIRED', actor: 'system' });
    for (const { id, userKey } of kicked) {
      expect(logged.get(id)).toMatchObject({ ...about, user_key: userKey, reason: 'SESSION_KICKED', actor: 'root' });
    }
  });

  it('are logged without a reason when they change and go on', async () => {
    const { id, userKey } = await node.login('frank');
    await node.sessions.changeSession(id, () => ({ result: null, patch: { claims: { a: 1 } } }));
    const { change } = node.database.tables;
    const rows = await node.rows(sql`SELECT * FROM ${change} WHERE id = ${id}`);
    expect(rows).toMatchObject([{ kind: 'session', user_key: userKey, reason: null, actor: null }]);
  });

  it('are followed by logins that are unsettled, for as long as the change log names the end of one', async () => {
    const isUnsettled = async (login = {}) => {
      const outcome = await other.tryLogin('gwen', login);
      return outcome.kind === 'granted' && outcome.unsettled;
    };
    const { id } = await node.login('gwen');
    await node.sessions.changeSession(id, () => ({ result: null, patch: { claims: { a: 1 } } }));
    // The ends of a login's own are told by it.
    expect(await isUnsettled({ replaces: true })).toBe(false);
    clock.advance(HOUR);
    expect(await isUnsettled()).toBe(true);
    await node.write(sql`DELETE FROM ${node.database.tables.change}`);
    expect(await isUnsettled()).toBe(false);
  });
});

const RULES = { idleMs: IDLE, allowLongerLife: false, slackMs: SLACK, lostAt: -Infinity };

describeRepository('idle sessions', ({ clock, node, other }) => {
  const endIdle = (limit = 100, repositories = node) => repositories.sessions.endIdleSessions(RULES, limit);

  beforeEach(async () => {
    clock.advance(48 * HOUR);
    await node.sessions.endOverdueSessions(1000);
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

  it('are not ended when a use is written while they are about to be', async () => {
    const [used, unused] = [await node.login('alice'), await node.login('alice')];
    clock.advance(IDLE + SLACK);
    const sweep = node.interrupted(() =>
      other.sessions.recordActivity([{ sessionId: used.id, at: clock.now(), usedAt: clock.now(), ip: null }]),
    );
    expect(idsOf(await sweep.endIdleSessions(RULES, 100))).toEqual([unused.id]);
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
});
