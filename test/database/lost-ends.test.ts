import { expect, it } from '@jest/globals';
import { LostEnds } from 'lib/lost-ends.js';
import type { ScopeChange } from 'lib/mass-end.js';
import { sql } from 'lib/sql.js';
import type { KnownScope } from 'lib/known-changes.js';
import { multiply } from './many-sessions.js';
import { MINUTE, type TestRepositories, describeRepository } from './repositories.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;
const BAN = { service: 'chat', level: 1, comment: null, until: null, by: 'boss' };
/** More than are closed at once. */
const MANY = 220;
const NOTHING = { changes: [], missing: 0, scopes: [], lostChanges: 0 };

/** What a node knows that has heard of these changes. */
const known = (...changes: readonly ScopeChange[]): KnownScope => ({
  kind: changes[0]!.kind,
  id: changes[0]!.kind === 'realm' ? '' : changes[0]!.id,
  version: Math.max(...changes.map(({ version }) => version)),
  ends: changes.flatMap(({ version, end }) => (end ? [{ version, end }] : [])),
});

describeRepository('a database that has lost commits', ({ clock, node, newUser }) => {
  const restore = ({ database, realm }: TestRepositories, ...scopes: readonly KnownScope[]) =>
    new LostEnds({ ...database, realm, clock, budgetMs: 20_000 }).restore({ ends: [], scopes });
  const endOf = async (at: TestRepositories, id: string) => (await at.record(id)).end;

  /** Ends all sessions of a user, of whom there are many, and has the database forget it. */
  const endInVain = async () => {
    const user = newUser();
    const session = await node.login(user);
    const ids = [session.id, ...(await multiply(node, session, MANY))];
    const key = node.account(user).key;
    const { account, massEnd, change } = node.database.tables;
    clock.advance(MINUTE);
    const ended = await node.sessions.endAccountSessions(node.account(user), KICK, { except: null, raiseEpoch: true });
    const { end } = ended.change!;
    const forget = async () => {
      await node.write(sql`DELETE FROM ${massEnd} WHERE scope = ${key}`);
      await node.write(sql`DELETE FROM ${change} WHERE id = ${key}`);
      await node.write(sql`UPDATE ${account} SET version = 0, end_epoch = 0, epoch = 0, not_before = 0
        WHERE user_key = ${key}`);
    };
    await forget();
    expect(await endOf(node, ids[1]!)).toBeNull();
    return { user, key, ids, change: ended.change!, end, forget };
  };

  it('has the sessions of an account ended again by a number that nobody has used', async () => {
    const { user, key, ids, change, end } = await endInVain();
    clock.advance(MINUTE);
    // The numbers of what was lost are used for something else.
    await node.sessions.ban(node.account(user), BAN, false);
    const between = await node.login(user);
    const restored = await restore(node, known(change));
    expect(restored).toEqual({ ...NOTHING, scopes: [{ ...change, version: 2 }] });
    for (const id of [...ids.slice(0, 3), between.id]) expect(await endOf(node, id)).toEqual(end);
    expect(await node.loggedVersions(key)).toEqual([1, 2]);
    const events = (await node.events(user)).filter(({ type }) => type === 'ACCOUNT_SESSIONS_ENDED');
    expect(events.map(({ at, actor, reason }) => [at, actor, reason])).toEqual(
      Array(2).fill([end!.at, 'root', 'SESSION_KICKED']),
    );
    const next = await node.login(user);
    expect(next).toMatchObject({ accountEpoch: 2, end: null });
    expect(next.bans).toMatchObject([{ service: 'chat' }]);

    // Once, by whichever node.
    expect(await restore(node, known(change, ...restored.scopes))).toEqual(NOTHING);
    expect(await restore(node, known(change))).toEqual(NOTHING);
    expect(await endOf(node, next.id)).toBeNull();
  });

  it('gives their sessions the end that came first', async () => {
    const { ids, change, end } = await endInVain();
    const later = { ...change, version: 5, end: { ...end!, reason: 'SESSION_REVOKED' as const, at: clock.now() + 1 } };
    expect((await restore(node, known(change, later))).scopes).toMatchObject([{ version: 6 }]);
    expect(await endOf(node, ids[7]!)).toEqual(end);
  });

  it('refuses logins whose proof came before the end, as the end had it', async () => {
    const { user, change, end } = await endInVain();
    await restore(node, known(change));
    clock.advance(MINUTE);
    expect(await node.tryLogin(user, { ticketEpoch: 0 })).toMatchObject({ kind: 'superseded' });
    expect(await node.tryLogin(user, { authenticatedAt: end!.at })).toMatchObject({ kind: 'superseded' });
    expect(await node.tryLogin(user, { authenticatedAt: clock.now() })).toMatchObject({ kind: 'granted' });
  });

  it('has everything in a realm ended again, also where it no longer knows the realm', async () => {
    const realm = node.inRealm(`realm ${newUser()}`);
    const { id } = await realm.login(newUser());
    const change = await realm.sessions.endRealm(KICK);
    const { realm: table, massEnd } = realm.database.tables;
    await realm.write(sql`DELETE FROM ${massEnd} WHERE realm = ${realm.realm}`);
    await realm.write(sql`DELETE FROM ${table} WHERE realm = ${realm.realm}`);
    expect(await endOf(realm, id)).toBeNull();
    expect((await restore(realm, known(change))).scopes).toEqual([{ ...change, version: 2 }]);
    expect(await endOf(realm, id)).toEqual(change.end);
    expect(await restore(realm, known(change))).toEqual(NOTHING);
    expect(await realm.login(newUser())).toMatchObject({ realmEpoch: 2, end: null });
  });

  it('is told of a ban that is not there, once, and does not get it back', async () => {
    const user = newUser();
    const account = node.account(user);
    await node.login(user);
    const { change } = await node.sessions.ban(account, BAN, false);
    expect(await restore(node, known(change))).toEqual(NOTHING);
    const { account: table } = node.database.tables;
    await node.write(sql`UPDATE ${table} SET version = 0, bans = NULL WHERE user_key = ${account.key}`);
    expect(await restore(node, known(change))).toEqual({ ...NOTHING, lostChanges: 1 });
    expect(await restore(node, known(change))).toEqual(NOTHING);
    expect((await node.login(user)).bans).toEqual([]);
  });

  it('gets no account that it does not have', async () => {
    const { key, change } = await endInVain();
    const { account } = node.database.tables;
    await node.write(sql`DELETE FROM ${account} WHERE user_key = ${key}`);
    expect(await restore(node, known(change))).toEqual(NOTHING);
    expect(await node.rows(sql`SELECT * FROM ${account} WHERE user_key = ${key}`)).toEqual([]);
  });
});
