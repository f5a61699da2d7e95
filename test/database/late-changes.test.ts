import { beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Statement, raw, sql } from 'lib/sql.js';
import { ManualClock } from 'nestjs-latchkey/testing';
import { databaseKinds, kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { HOUR, MINUTE, TestRepositories } from './repositories.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;
const BAN = { service: null, level: 1, comment: null, until: null, by: 'root' };

/** The clock of the host, read wrong by as much as the network, or a paused process, holds a statement up. */
class HeldClock extends ManualClock {
  offset = 0;

  override now(): number {
    return super.now() + Date.now() + this.offset;
  }
}

const IDLE = { idleMs: 10 * MINUTE, allowLongerLife: false, slackMs: 0, lostAt: -Infinity };

/** Everything that writes the change log. The session of alice is an hour old and was never used. */
const COMMANDS: Record<string, (node: TestRepositories, id: string) => Promise<unknown>> = {
  'the end of a session': ({ sessions }, id) => sessions.endSession(id, KICK),
  'the end of several': ({ sessions }, id) => sessions.endSessions([id], KICK),
  'the end of an account': (node) => node.endAll('alice', KICK),
  'the end of all sessions but one': (node, id) => node.endAll('alice', { ...KICK, except: id }),
  'a login that replaces': (node) => node.login('alice', { replaces: true }),
  'a ban that ends': (node) => node.sessions.ban(node.account('alice'), BAN, true),
  'a ban that suspends': (node) => node.sessions.ban(node.account('alice'), BAN, false),
  'the lift of a ban': (node) => node.sessions.liftBan(node.account('alice'), 'chat', 'root'),
  'the end of everything in the realm': ({ sessions }) => sessions.endRealm(KICK),
  'new claims': ({ sessions }, id) => sessions.changeSession(id, () => ({ result: 1, patch: { claims: { a: 1 } } })),
  'a refresh that ends': ({ sessions }, id) =>
    sessions.changeSession(id, () => ({ result: 1, end: { reason: 'REFRESH_REUSED', by: 'system' } })),
  'the sweep of what is overdue': ({ sessions }) => sessions.endOverdueSessions(10),
  'the sweep of what is idle': ({ sessions }) => sessions.endIdleSessions(IDLE, 10),
};

describe.each(databaseKinds)('a change on $name that comes late', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  const clock = new HeldClock(0);
  let node: TestRepositories;
  let other: TestRepositories;

  beforeAll(async () => {
    node = await TestRepositories.open(database, clock, true);
    other = await TestRepositories.open(database, new ManualClock(Date.now() - HOUR));
    database.atEnd(() => Promise.all([node.close(), other.close()]));
  });
  beforeEach(async () => {
    clock.offset = 0;
    for (const table of Object.values(other.database.tables)) await other.write(sql`DELETE FROM ${table}`);
  });

  const everything = () => {
    const { session, account, change, event, data, massEnd } = other.database.tables;
    const ordered = (table: Statement, key: string) => other.rows(sql`SELECT * FROM ${table} ORDER BY ${raw(key)}`);
    return Promise.all([
      ordered(session, 'id'),
      ordered(account, 'user_key'),
      ordered(change, 'id, version'),
      ordered(event, 'id'),
      ordered(data, 'owner, name_hash'),
      ordered(massEnd, 'scope, epoch'),
    ]);
  };

  it.each([
    ...Object.keys(COMMANDS).map((name) => [name, -44_000] as const),
    ['the end of a session', 44_000] as const,
  ])('does nothing, and is done with a clock that is right: %s, %i ms', async (name, offset) => {
    const { id } = await other.login('alice', { lifeMs: name.includes('overdue') ? MINUTE : 12 * HOUR });
    await other.stores.session(id).set('draft', 1);
    if (name.startsWith('the lift'))
      await other.sessions.ban(other.account('alice'), { ...BAN, service: 'chat' }, false);
    const before = await everything();
    const isLate = jest.spyOn(node.database.engine.dialect, 'isLate');
    clock.offset = offset;
    let isDone = false;
    const doing = COMMANDS[name]!(node, id).then(() => (isDone = true));
    await until(() => isDone || isLate.mock.results.some(({ value }) => value === true));
    expect(await everything()).toEqual(before);
    clock.offset = 0;
    await doing;
    isLate.mockRestore();
    const { change } = node.database.tables;
    const [newest] = await other.rows(sql`SELECT MAX(at) AS at FROM ${change}`);
    expect(Math.abs(Number(newest!.at) - Date.now())).toBeLessThan(10_000);
  });

  it('has the clock measured, and is made again by that', async () => {
    const { id } = await other.login('alice', { lifeMs: 12 * HOUR });
    clock.offset = -44_000;
    let measured = 0;
    const measuring = await TestRepositories.open(database, clock, true, async () => {
      measured++;
      clock.offset = 0;
    });
    database.atEnd(() => measuring.close());
    expect(await measuring.sessions.endSession(id, KICK)).toMatchObject({ sessionId: id });
    expect(measured).toBeGreaterThan(0);
  });
});

describe.each(kindsOf('postgres', 'mariadb'))('a transaction on $name whose COMMIT the network holds', (kind) => {
  const database = useDatabase(kind);

  it('is rolled back by the server, and by its client not taken for done', async () => {
    const proxy = await TcpProxy.start(portOf(database));
    const node = await TestRepositories.open({ ...database, options: throughPort(database, proxy.port) });
    const other = await TestRepositories.open(database);
    database.atEnd(() => Promise.all([node.close(), other.close()]).then(() => proxy.close()));
    const { engine, tables } = node.database;
    const [ownId, ids] =
      kind.name === 'postgres'
        ? ['pg_backend_pid()', 'pid AS id FROM pg_stat_activity']
        : ['CONNECTION_ID()', 'id FROM information_schema.processlist'];
    let holder: number | undefined;
    const writing = engine.transaction(
      function* () {
        yield sql`INSERT INTO ${tables.change} (kind, id, version, realm, at) VALUES ('session', 'held', 1, 'users', 0)`;
        const { rows } = yield raw(`SELECT ${ownId} AS id`);
        holder = Number(rows[0]!.id);
        proxy.hold();
      },
      { lane: 'work', budgetMs: 60_000 },
    );
    const outcome = writing.then(
      () => 'done',
      ({ code }: { code: string }) => code,
    );
    await until(() => holder !== undefined);
    await until(async () => (await other.rows(raw(`SELECT ${ids}`))).every(({ id }) => Number(id) !== holder));
    proxy.release();
    expect(await outcome).toBe('SESSION_STORE_UNAVAILABLE');
    expect(await other.loggedVersions('held')).toEqual([]);
  });
});

describe('a change on MariaDB without strict mode', () => {
  const database = useDatabase(kindsOf('mariadb')[0]!);

  it('is refused all the same, and not written with no time', async () => {
    const node = await TestRepositories.open(database, undefined, true);
    const { engine, tables } = node.database;
    const writing = engine.transaction(
      function* () {
        yield raw(`SET SESSION sql_mode = ''`);
        yield sql`INSERT INTO ${tables.change} (kind, id, version, realm, at)
          SELECT 'session', 'late', 1, 'users', ${engine.dialect.changeTime(Date.now() - 44_000)} FROM DUAL`;
      },
      { lane: 'work', budgetMs: 100 },
    );
    await expect(writing).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    expect(await node.loggedVersions('late')).toEqual([]);
    await node.close();
  });
});
