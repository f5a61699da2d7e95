import { describe, expect, it, jest } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { SqlMassEndRows } from 'lib/mass-end-rows.js';
import { OnlineQueries } from 'lib/online-queries.js';
import { SqlJournalRepository } from 'lib/sql-journal-repository.js';
import { type Statement, sql } from 'lib/sql.js';
import { multiply } from './many-sessions.js';
import { HOUR, MINUTE, type TestRepositories, describeRepository, idsOf } from './repositories.js';
import { kindsOf } from '../support/databases.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root', comment: 'breach' } as const;
const BUDGET_MS = 20_000;
/** More than are closed at once. */
const MANY = 250;

describeRepository('ends of many at once', ({ kind, database, clock, node, other, open, newUser }) => {
  const scopeOf = ({ database, realm }: TestRepositories) => ({ ...database, realm, clock, budgetMs: BUDGET_MS });
  const closerAt = (at: TestRepositories) => new SqlMassEndRows(scopeOf(at), MINUTE);
  const onlineOf = (at: TestRepositories) => new OnlineQueries(scopeOf(at));
  const portion = { from: null, backwards: false, limit: 1000 };
  const onlineIn = async (at: TestRepositories) => {
    const online = onlineOf(at);
    const lists = await Promise.all([
      online.list({}, 'lastSeen', portion),
      online.list({}, 'login', portion),
      online.list({}, 'user', portion),
    ]);
    const { sessions } = await online.summary();
    const counts = [await online.count({}, 10_000), await new SqlJournalRepository(scopeOf(at)).countLive(), sessions];
    const users = await online.users({}, portion);
    return { lists: lists.map((items) => items.length), counts, users: users.filter(({ item }) => item).length };
  };
  const crowd = async (at: TestRepositories, user = newUser()) => {
    const session = await at.login(user);
    return { user, session, ids: [session.id, ...(await multiply(at, session, MANY))] };
  };
  const closeAll = async (at: TestRepositories, rows = closerAt(at)) => {
    const ended = [];
    for (;;) {
      const closed = await rows.close(100);
      if (!closed) return ended;
      ended.push(...closed);
    }
  };
  const unclosed = async (at: TestRepositories, user: string) => {
    const [row] = await at.rows(
      sql`SELECT COUNT(*) AS n FROM ${at.database.tables.session} WHERE user_key = ${at.account(user).key} AND status = 'live'`,
    );
    return Number(row!.n);
  };
  const massEnds = (at: TestRepositories, scope: string) =>
    at.rows(sql`SELECT * FROM ${at.database.tables.massEnd} WHERE scope = ${scope} ORDER BY epoch`);

  it('of an account are one number, whatever has yet to be closed', async () => {
    const { user, session, ids } = await crowd(node);
    const stranger = await node.login(newUser());
    clock.advance(MINUTE);
    const account = node.account(user);
    const { ended, change } = await node.sessions.endAccountSessions(account, KICK, { except: null, raiseEpoch: true });
    const end = { reason: 'SESSION_KICKED', at: clock.now(), by: 'root', replacedBy: null };
    expect([ended, change]).toEqual([[], { kind: 'account', id: account.key, version: 1, end }]);
    expect(await unclosed(node, user)).toBe(MANY + 1);

    // Every read finds them ended.
    const records = await other.sessions.findSessions(ids.slice(0, 5));
    expect(records.map((record) => record.end)).toEqual(Array(5).fill(end));
    expect(await other.sessions.listLiveSessions(account)).toEqual([]);
    expect(await other.sessions.readAccount(account)).toMatchObject({ epoch: 1, notBefore: clock.now() });
    const changed = await other.sessions.changeSession(session.id, (record) => ({
      result: record!.end,
      patch: { claims: { more: true } },
    }));
    expect(changed).toMatchObject({ result: end, changed: false, ended: null });
    const logOut = { reason: 'SESSION_LOGGED_OUT', by: user } as const;
    expect(await other.sessions.endSession(session.id, logOut)).toBeNull();
    expect(await other.sessions.endSessions(ids.slice(0, 5), logOut)).toEqual([]);
    await expect(other.stores.session(session.id).set('a', 1)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    expect((await node.record(stranger.id)).end).toBeNull();

    // A login that began before is refused, and one that follows takes the place of none of them.
    expect(await other.tryLogin(user, { ticketEpoch: 0 })).toMatchObject({ kind: 'superseded' });
    const next = await other.login(user, { replaces: true });
    expect(next).toMatchObject({ accountEpoch: 1, accountVersion: 1, end: null });
    expect(await node.record(next.id)).toEqual(next);
    expect((await node.sessions.listLiveSessions(account)).map(({ id }) => id)).toEqual([next.id]);

    const events = await node.events(user);
    const line = { type: 'ACCOUNT_SESSIONS_ENDED', reason: 'SESSION_KICKED', actor: 'root', ended: null };
    expect(events.filter(({ type }) => type === line.type)).toMatchObject([{ ...line, detail: { comment: 'breach' } }]);
    expect(await node.loggedVersions(account.key)).toEqual([1]);

    // The rows are closed with what the reads said all along.
    expect(idsOf(await closeAll(other))).toEqual([...ids].sort());
    expect(await unclosed(node, user)).toBe(1);
    expect((await node.record(ids[7]!)).end).toEqual(end);
    expect((await node.record(next.id)).end).toBeNull();
    const [row] = await massEnds(node, account.key);
    expect([Number(row!.ended), Number(row!.closed_at)]).toEqual([MANY + 1, clock.now()]);
    expect(await closeAll(other)).toEqual([]);
  });

  it('of an account leave out the one session that is kept', async () => {
    const { user, session, ids } = await crowd(node);
    const account = node.account(user);
    clock.advance(MINUTE);
    const options = { except: session.id, raiseEpoch: true };
    const time = clock.now();
    let ticks = 0;
    const ticking = jest.spyOn(clock, 'now').mockImplementation(() => time + ticks++);
    const { change } = await node.sessions.endAccountSessions(account, KICK, options);
    ticking.mockRestore();
    expect(change).toMatchObject({ version: 1 });
    const kept = await other.record(session.id);
    expect(kept).toMatchObject({ end: null, accountEpoch: 1, version: 2, authenticatedAt: change!.end!.at, amr: [] });
    expect(await other.sessions.listLiveSessions(account)).toEqual([kept]);
    expect(idsOf(await closeAll(node))).toEqual(ids.slice(1).sort());
    expect((await other.record(session.id)).end).toBeNull();
    // No poll knows of the end and not of the session, though it may read in the order of times while they are written.
    const { change: log } = node.database.tables;
    const logged = await node.rows(
      sql`SELECT kind FROM ${log} WHERE id IN (${account.key}, ${session.id}) ORDER BY at, kind`,
    );
    expect(logged.map(({ kind }) => kind)).toEqual(['account', 'session']);
    // Not a session of the account.
    const stranger = await node.login(newUser());
    const again = await node.sessions.endAccountSessions(account, KICK, { except: stranger.id, raiseEpoch: false });
    expect([idsOf(again.ended), again.change]).toEqual([[session.id], null]);
  });

  it('follow each other, and each session goes by the first', async () => {
    const { user, ids } = await crowd(node);
    const account = node.account(user);
    const both = { except: null, raiseEpoch: false };
    await node.sessions.endAccountSessions(account, KICK, both);
    const first = clock.now();
    clock.advance(MINUTE);
    const second = await node.login(user);
    const later = [second.id, ...(await multiply(node, second, MANY))];
    const { ban } = await node.sessions.ban(
      account,
      { service: null, level: 1, comment: null, until: null, by: 'boss' },
      true,
    );
    expect(ban.at).toBe(clock.now());
    const [one, two] = [await node.record(ids[3]!), await node.record(later[3]!)];
    expect(one.end).toMatchObject({ reason: 'SESSION_KICKED', at: first, by: 'root' });
    expect(two.end).toMatchObject({ reason: 'ACCOUNT_DISABLED', at: clock.now(), by: 'boss' });
    expect(await closeAll(node)).toHaveLength(2 * (MANY + 1));
    expect([(await node.record(one.id)).end, (await node.record(two.id)).end]).toEqual([one.end, two.end]);
    await node.sessions.liftBan(account, null, 'boss');
    expect((await node.record(two.id)).end).toEqual(two.end);
  });

  it('say of a session that had run out before that it had', async () => {
    const user = newUser();
    const session = await node.login(user, { lifeMs: MINUTE });
    await multiply(node, session, MANY);
    await node.login(user);
    clock.advance(HOUR / 2);
    const { change } = await node.sessions.endAccountSessions(node.account(user), KICK, {
      except: null,
      raiseEpoch: false,
    });
    expect(change).not.toBeNull();
    await closeAll(node);
    expect((await node.record(session.id)).end).toMatchObject({ reason: 'TOKEN_EXPIRED', at: session.usableUntil });
  });

  it('of an operator end what was opened as others one by one', async () => {
    const { user: operator } = await crowd(node);
    const opened = await node.login(newUser(), { impersonator: operator });
    const account = node.account(operator);
    const { ended, change } = await node.sessions.ban(
      account,
      { service: null, level: 1, comment: null, until: null, by: 'boss' },
      true,
    );
    expect([idsOf(ended), change.end?.reason]).toEqual([[opened.id], 'ACCOUNT_DISABLED']);
    expect((await node.record(opened.id)).end).toMatchObject({ reason: 'SESSION_KICKED', by: 'boss' });
    await closeAll(node);
  });

  it('of a realm end all of its users, and nothing elsewhere', async () => {
    const realm = node.inRealm(`realm ${newUser()}`);
    const same = other.inRealm(realm.realm);
    const elsewhere = await node.login(newUser());
    const ids: string[] = [];
    for (let index = 0; index < 3; index++) ids.push((await realm.login(newUser())).id);
    const opened = await realm.login(newUser(), { impersonator: 'support' });
    expect(await onlineIn(same)).toEqual({ lists: [4, 4, 4], counts: [4, 4, 4], users: 4 });
    clock.advance(MINUTE);
    const change = await realm.sessions.endRealm(KICK);
    const end = { reason: 'SESSION_KICKED', at: clock.now(), by: 'root', replacedBy: null };
    expect(change).toEqual({ kind: 'realm', id: realm.realm, version: 1, end });
    expect(await onlineIn(same)).toEqual({ lists: [0, 0, 0], counts: [0, 0, 0], users: 0 });
    expect((await same.sessions.findSessions([...ids, opened.id])).map((record) => record.end)).toEqual(
      Array(4).fill(end),
    );
    expect((await node.record(elsewhere.id)).end).toBeNull();

    // Until every node knows of it, a login waits for that.
    const user = newUser();
    expect(await same.tryLogin(user)).toMatchObject({ kind: 'granted', unsettled: true });
    await realm.sessions.noteAcknowledged(change);
    const outcome = await same.tryLogin(user);
    expect(outcome).toMatchObject({ kind: 'granted', unsettled: false, session: { realmEpoch: 1, end: null } });
    expect(await onlineIn(same)).toEqual({ lists: [2, 2, 2], counts: [2, 2, 2], users: 1 });

    expect(idsOf(await closeAll(realm))).toEqual([...ids, opened.id].sort());
    expect((await same.record(ids[0]!)).end).toEqual(end);
    const again = await same.sessions.endRealm({ ...KICK, by: 'boss' });
    expect(again).toMatchObject({ version: 2 });
    expect((await same.record(ids[0]!)).end).toEqual(end);
    expect(await closeAll(same)).toHaveLength(2);
  });

  it('end a login that had read the epoch of its realm before', async () => {
    const realm = node.inRealm(`realm ${newUser()}`);
    const { session: table } = realm.database.tables;
    const change = await realm.sessions.endRealm(KICK);
    expect(await closeAll(realm)).toEqual([]);
    const late = await realm.login(newUser(), { lifeMs: MINUTE });
    await realm.write(sql`UPDATE ${table} SET realm_epoch = 0 WHERE id = ${late.id}`);
    expect((await realm.record(late.id)).end).toEqual(change.end);
    expect((await onlineIn(realm)).counts).toEqual([0, 0, 0]);
    // The sweep closes it when its time has come.
    clock.advance(HOUR);
    expect(idsOf(await realm.sessions.endOverdueSessions(10))).toEqual([late.id]);
    expect((await realm.record(late.id)).end).toEqual(change.end);
  });

  it('are closed by one node at a time, and by another where that was killed', async () => {
    const { user, ids } = await crowd(node);
    await node.sessions.endAccountSessions(node.account(user), KICK, { except: null, raiseEpoch: false });
    const [killed, rival] = [closerAt(node), closerAt(other)];
    expect(await killed.close(50)).toHaveLength(50);
    expect(await rival.close(100)).toBeNull();
    clock.advance(MINUTE);
    expect(await rival.close(40)).toHaveLength(40);
    // One that was only held up does nothing more, and leaves the count to the other.
    expect(await killed.close(50)).toEqual([]);
    expect(await killed.close(50)).toBeNull();
    expect(await closeAll(other, rival)).toHaveLength(MANY - 89);
    expect(await unclosed(node, user)).toBe(0);
    expect(await closeAll(node, killed)).toEqual([]);
    const [row] = await massEnds(node, node.account(user).key);
    expect([Number(row!.ended), Number(row!.closed_at)]).toEqual([ids.length, clock.now()]);
  });

  it('are closed though the clock was set back after another node had begun', async () => {
    const { user, ids } = await crowd(node);
    const account = node.account(user);
    await node.sessions.endAccountSessions(account, KICK, { except: null, raiseEpoch: false });
    expect(await closerAt(node).close(50)).toHaveLength(50);
    const { massEnd } = node.database.tables;
    await node.write(sql`UPDATE ${massEnd} SET lease_until = lease_until + ${HOUR} WHERE scope = ${account.key}`);
    expect(await closeAll(other)).toHaveLength(ids.length - 50);
  });

  it('are passed over by the ends that follow, whatever has yet to be closed', async () => {
    const { user, ids } = await crowd(node);
    const account = node.account(user);
    const both = { except: null, raiseEpoch: false };
    await node.sessions.endAccountSessions(account, KICK, both);
    const later = [await node.login(user), await other.login(user)];
    const end = async () => {
      const [kick, opened] = [await other.sessions.endAccountSessions(account, KICK, both), later.splice(0)];
      expect([idsOf(kick.ended), kick.change]).toEqual([opened.map(({ id }) => id).sort(), null]);
    };
    if (kind.name === 'sqlite') return end();
    // As one that closes them does, and for longer.
    const holder = (await database.connect()).createQueryRunner();
    await holder.startTransaction('READ COMMITTED');
    const some = ids.slice(0, 20).map((id) => `'${id}'`);
    await holder.query(`SELECT id FROM latchkey_session WHERE id IN (${some.join(', ')}) FOR UPDATE`);
    await end();
    await holder.rollbackTransaction();
    await holder.release();
  });

  it('make a login wait only as long as the change log tells of them', async () => {
    const realm = node.inRealm(`realm ${newUser()}`);
    await realm.sessions.endRealm(KICK);
    // The call was not acknowledged, and its node is gone.
    expect(await realm.tryLogin(newUser())).toMatchObject({ unsettled: true });
    await realm.write(sql`DELETE FROM ${realm.database.tables.change} WHERE realm = ${realm.realm}`);
    expect(await realm.tryLogin(newUser())).toMatchObject({ unsettled: false });
    await closeAll(realm);
  });

  it('leave no session behind of logins at the same time', async () => {
    const racing = await open(clock);
    for (let round = 0; round < 3; round++) {
      const { user } = await crowd(node);
      const account = node.account(user);
      const logins = Array.from({ length: 12 }, (_, index) => (index % 2 ? other : racing).login(user));
      const [{ change }, ...sessions] = await Promise.all([
        node.sessions.endAccountSessions(account, KICK, { except: null, raiseEpoch: false }),
        ...logins,
      ]);
      const live = (await node.sessions.listLiveSessions(account)).map(({ id }) => id).sort();
      const after = sessions.filter(({ accountEpoch }) => accountEpoch === change!.version).map(({ id }) => id);
      expect(live).toEqual(after.sort());
      await closeAll(node);
      expect(await unclosed(node, user)).toBe(after.length);
    }
  });
});

describe('the session that is kept while all others of its account end', () => {
  const [sqlite] = kindsOf('sqlite');
  const database = useDatabase(sqlite!);

  it('is refused at no time, though copies of it are older', async () => {
    const { tokens, sessions, runtime } = await database.start({ policy: multiDevice({ max: Infinity }) });
    const { engine, tables } = runtime.database;
    const options = { lane: 'work', budgetMs: BUDGET_MS } as const;
    const rows = async (statement: Statement) => (await engine.read(statement, options)).rows;
    const write = async (statement: Statement) => void (await engine.write(statement, options));
    const others = await tokens.login('alice');
    await multiply({ database: { tables }, rows, write }, others.session, MANY);
    const { accessToken, session } = await tokens.login('alice');
    const verify = async (token: string) => {
      const { status, ...more } = await tokens.verify(token);
      return { status, isCached: 'cached' in more };
    };
    for (const token of [accessToken, others.accessToken]) await until(async () => (await verify(token)).isCached);
    expect(await tokens.revokeSessions('alice', { except: session.id })).toBeNull();
    expect(await verify(accessToken)).toMatchObject({ status: 'VALID' });
    expect(await tokens.verify(others.accessToken)).toMatchObject({ status: 'INVALID', reason: 'SESSION_REVOKED' });
    expect((await sessions.list('alice')).map(({ id }) => id)).toEqual([session.id]);
  });
});
