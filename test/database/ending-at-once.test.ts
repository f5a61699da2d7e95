import { beforeEach, describe, expect, it } from '@jest/globals';
import { raw, sql } from 'lib/sql.js';
import { ManualClock } from 'nestjs-latchkey/testing';
import { kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { MINUTE, START, TestRepositories } from './repositories.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;

describe('the end of one session on PostgreSQL', () => {
  const clock = new ManualClock(START);
  const database = useDatabase(kindsOf('postgres')[0]!);
  let proxy: TcpProxy;
  let node: TestRepositories;
  let other: TestRepositories;

  beforeEach(async () => {
    proxy = await TcpProxy.start(portOf(database));
    database.atEnd(() => proxy.close());
    node = await openThrough(proxy.port);
    other = await openThrough(portOf(database));
  });

  /** Another node, on the way to the database that a test gives it. */
  const openThrough = async (port: number, extra = {}) => {
    const options = { ...throughPort(database, port), extra } as typeof database.options;
    const opened = await TestRepositories.open({ ...database, options }, clock);
    database.atEnd(() => opened.close());
    return opened;
  };

  /** Of the session's end: versions in the change log, lines of the audit trail, values that are left. */
  const traces = async (id: string, userId: string) => ({
    versions: await other.loggedVersions(id),
    events: (await other.events(userId)).map(({ type }) => type),
    data: await other.countData([id]),
  });

  it('goes to the server as a whole, which needs no answer for it', async () => {
    // From here on the connection is open, and its statements have names.
    for (let time = 0; time < 5; time++) await node.sessions.endSession((await node.login('bob')).id, KICK);
    const { id } = await node.login('alice');
    await node.stores.session(id).set('draft', 1);
    proxy.holdReplies();
    const ending = node.sessions.endSession(id, KICK);
    await until(async () => (await other.record(id)).end !== null);
    expect(await traces(id, 'alice')).toEqual({ versions: [2], events: ['LOGIN', 'SESSION_ENDED'], data: 0 });
    proxy.release();
    const { version, tokens } = (await other.record(id).then(() => ending))!.tombstone;
    expect([version, tokens]).toEqual([
      2,
      [{ generation: 1, accessHash: (await other.record(id)).current.accessHash }],
    ]);
  });

  it('takes data with it that somebody wrote who had the row when it came', async () => {
    const { id } = await node.login('alice');
    const client = await database.connect();
    const runner = client.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT 1 FROM latchkey_session WHERE id = $1 FOR UPDATE', [id]);
    const ending = node.sessions.endSession(id, KICK);
    const waiters = raw(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    await until(async () => (await other.rows(waiters)).length > 0);
    await runner.query(
      `INSERT INTO latchkey_data (owner, name_hash, name, value, updated_at) VALUES ($1, 'hash', 'draft', '1', 0)`,
      [`s:${id}`],
    );
    await runner.commitTransaction();
    expect(await ending).toMatchObject({ sessionId: id, version: 2 });
    expect(await traces(id, 'alice')).toEqual({ versions: [2], events: ['LOGIN', 'SESSION_ENDED'], data: 0 });
  });

  it('leaves nothing behind when a part of it fails', async () => {
    const { id } = await node.login('alice');
    await node.stores.session(id).set('draft', 1);
    const before = await traces(id, 'alice');
    const client = await database.connect();
    await client.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$`);
    await client.query('CREATE TRIGGER fails BEFORE DELETE ON latchkey_data FOR EACH ROW EXECUTE FUNCTION fail()');
    await expect(node.sessions.endSession(id, KICK)).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    expect(await other.record(id)).toMatchObject({ end: null, version: 1 });
    expect(await traces(id, 'alice')).toEqual(before);
    await client.query('DROP TRIGGER fails ON latchkey_data');
    expect(await node.sessions.endSession(id, KICK)).toMatchObject({ version: 2 });
  });

  it('does nothing where the transaction has not been begun', async () => {
    const { id } = await node.login('alice');
    await node.stores.session(id).set('draft', 1);
    const before = await traces(id, 'alice');
    let isSpoiling = false;
    let rewritten = 0;
    const request = (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      const changed = isSpoiling ? text.replaceAll('START TRANSACTION', 'STALL TRANSACTION') : text;
      if (changed !== text) rewritten++;
      return Buffer.from(changed, 'latin1');
    };
    const spoiler = await TcpProxy.start(proxy.port, () => ({ request }));
    database.atEnd(() => spoiler.close());
    const spoiled = await openThrough(spoiler.port);
    isSpoiling = true;
    await expect(spoiled.sessions.endSession(id, KICK)).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    expect(rewritten).toBe(1);
    expect(await other.record(id)).toMatchObject({ end: null, version: 1 });
    expect(await traces(id, 'alice')).toEqual(before);
    isSpoiling = false;
    expect(await spoiled.sessions.endSession(id, KICK)).toMatchObject({ version: 2 });
    expect((await traces(id, 'alice')).data).toBe(0);
  });

  it('is the same with a driver that waits for every answer', async () => {
    const waiting = await openThrough(proxy.port, { pipeline: false });
    const { id } = await node.login('alice');
    await node.stores.session(id).set('draft', 1);
    expect(await waiting.sessions.endSession(id, KICK)).toMatchObject({ sessionId: id, version: 2 });
    expect(await traces(id, 'alice')).toEqual({ versions: [2], events: ['LOGIN', 'SESSION_ENDED'], data: 0 });
    expect(await waiting.sessions.endSession(id, KICK)).toBeNull();
  });

  it('touches no session that is not to be ended, nor its data', async () => {
    const replaced = await node.login('alice');
    await node.stores.session(replaced.id).set('draft', 1);
    await node.tryLogin('alice', { replaces: true, keepReplacedData: true });
    const live = await node.login('bob');
    await node.stores.session(live.id).set('draft', 1);
    const [ofAlice, ofBob] = [await traces(replaced.id, 'alice'), await traces(live.id, 'bob')];
    const logout = { reason: 'SESSION_LOGGED_OUT', by: 'alice' } as const;
    expect(await node.sessions.endSession(replaced.id, logout)).toBeNull();
    expect(await node.sessions.endSession(live.id, logout, node.account('alice'))).toBeNull();
    expect(await node.inRealm('admins').sessions.endSession(live.id, logout)).toBeNull();
    expect(await node.sessions.endSession('f'.repeat(32), logout)).toBeNull();
    expect([await traces(replaced.id, 'alice'), await traces(live.id, 'bob')]).toEqual([ofAlice, ofBob]);
    expect([ofAlice.data, ofBob.data]).toEqual([1, 1]);
    expect(await node.sessions.endSession(live.id, logout, node.account('bob'))).toMatchObject({ version: 2 });
  });

  it('is its own, where it was overdue before anybody ended it', async () => {
    const { id } = await node.login('alice', { lifeMs: MINUTE });
    clock.advance(MINUTE);
    expect(await node.sessions.endSession(id, KICK)).toMatchObject({ reason: 'TOKEN_EXPIRED', version: 2 });
    expect((await other.record(id)).end).toMatchObject({ reason: 'TOKEN_EXPIRED', by: 'system', at: clock.now() });
  });

  it('is done once, however many do it at the same time', async () => {
    const { id } = await node.login('alice');
    const ends = Array.from({ length: 40 }, (_, index) => [node, other][index % 2]!.sessions.endSession(id, KICK));
    expect((await Promise.all(ends)).filter((ended) => ended !== null)).toMatchObject([{ sessionId: id, version: 2 }]);
    const { versions, events } = await traces(id, 'alice');
    expect([versions, events.filter((type) => type === 'SESSION_ENDED')]).toEqual([[2], ['SESSION_ENDED']]);
    const { event } = node.database.tables;
    const vain = sql`SELECT 1 FROM ${event} WHERE session_id = ${id} AND type = 'KICK_WITHOUT_EFFECT'`;
    expect(await other.rows(vain)).toHaveLength(39);
  });
});
