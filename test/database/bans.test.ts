import { expect, it } from '@jest/globals';
import type { Ban } from 'lib/model/ban.js';
import type { EndReason } from 'lib/model/session.js';
import { list, raw, sql } from 'lib/sql.js';
import { ManualClock } from 'nestjs-latchkey/testing';
import { openedAs } from 'lib/locks.js';
import type { EndedSession } from 'lib/session-change.js';
import { HOUR, MINUTE, describeRepository, idsOf } from './repositories.js';

describeRepository('an account', ({ clock, node, other, open, newUser }) => {
  const draft = (ban: Partial<Ban> = {}): Omit<Ban, 'at'> => ({
    service: null,
    level: 1,
    comment: null,
    until: null,
    by: 'root',
    ...ban,
  });
  const bansOf = async (user: string) => (await node.sessions.readAccount(node.account(user))).bans;
  const servicesOf = (bans: readonly Ban[]) => bans.map(({ service }) => service).sort();

  it('A68: that is banned loses its sessions and cannot log in', async () => {
    const user = newUser();
    const live = [await node.login(user), await node.login(user, { impersonator: 'support' })];
    const overdue = await node.login(user, { lifeMs: MINUTE });
    const stranger = await node.login(newUser());
    clock.advance(2 * MINUTE);
    const at = clock.now();
    const { ban, ended, change } = await node.sessions.ban(node.account(user), draft({ comment: '垃圾 📱' }), true);
    expect(ban).toEqual({ ...draft({ comment: '垃圾 📱' }), at });
    expect(change).toEqual({ kind: 'account', id: node.account(user).key, version: 1, end: null });
    expect(idsOf(ended)).toEqual([...live, overdue].map(({ id }) => id).sort());
    for (const { id } of live) {
      const end = { reason: 'ACCOUNT_DISABLED', at, by: 'root', replacedBy: null };
      const { version } = ended.find(({ sessionId }) => sessionId === id)!;
      expect(await node.record(id)).toMatchObject({ end, version });
      expect(await node.loggedVersions(id)).toEqual([version]);
    }
    // It had ended by itself before that.
    const ranOut = { reason: 'TOKEN_EXPIRED', at: overdue.usableUntil, by: 'system' };
    expect((await node.record(overdue.id)).end).toMatchObject(ranOut);
    expect((await node.record(stranger.id)).end).toBeNull();

    expect(await node.tryLogin(user)).toEqual({ kind: 'banned', ban, ended: [] });
    expect(await node.tryLogin(user, { impersonator: 'support' })).toMatchObject({ kind: 'banned' });
    expect(await node.sessions.listLiveSessions(node.account(user))).toEqual([]);
    const events = await node.events(user);
    const ofBan = { type: 'BANNED', actor: 'root', userId: user, sessionId: null, detail: ban };
    expect(events.filter(({ type }) => type === 'BANNED')).toMatchObject([ofBan]);
    expect(events.filter(({ reason }) => reason === 'ACCOUNT_DISABLED').map(({ type }) => type)).toEqual([
      'SESSION_ENDED',
      'SESSION_ENDED',
      'LOGIN_REFUSED',
      'LOGIN_REFUSED',
    ]);
  });

  it('that is banned without an end, or from a service, has every session say so', async () => {
    const user = newUser();
    const sessions = [await node.login(user), await node.login(user)];
    const first = await node.sessions.ban(node.account(user), draft({ service: 'comment', level: 2 }), false);
    expect(first.ended).toEqual([]);
    expect(first.change).toMatchObject({ version: 1, end: null });
    const second = await node.sessions.ban(node.account(user), draft({ service: 'upload' }), false);
    for (const { id } of sessions) {
      const bans = [first.ban, second.ban];
      expect(await node.record(id)).toMatchObject({ version: 1, accountVersion: 2, end: null, bans });
    }
    const later = await node.login(user);
    expect(later.bans).toEqual([first.ban, second.ban]);
    expect((await node.record(later.id)).bans).toEqual([first.ban, second.ban]);
    const suspended = await node.sessions.ban(node.account(user), draft(), false);
    expect(suspended.change).toMatchObject({ version: 3, end: null });
    expect((await node.record(later.id)).end).toBeNull();
  });

  it('has one ban for each service, and forgets those that have run out', async () => {
    const user = newUser();
    const { id } = await node.login(user);
    const account = node.account(user);
    await node.sessions.ban(account, draft({ service: 'comment', level: 1, until: clock.now() + HOUR }), false);
    await node.sessions.ban(account, draft({ service: 'upload', until: clock.now() + MINUTE }), false);
    const { ban } = await node.sessions.ban(account, draft({ service: 'comment', level: 5, comment: 'worse' }), false);
    expect(servicesOf(await bansOf(user))).toEqual(['comment', 'upload']);
    expect((await bansOf(user)).find(({ service }) => service === 'comment')).toEqual(ban);
    clock.advance(MINUTE);
    // It is over, though the row still has it.
    expect(await node.sessions.liftBan(account, 'upload', 'root')).toBeNull();
    await node.sessions.ban(account, draft({ service: 'vote' }), false);
    expect(servicesOf(await bansOf(user))).toEqual(['comment', 'vote']);
    expect(servicesOf((await node.record(id)).bans)).toEqual(['comment', 'vote']);
  });

  it('A6: is judged by the clock that was set back, whatever its latest login is dated with', async () => {
    const user = newUser();
    const account = node.account(user);
    const { id } = await node.login(user);
    clock.advance(HOUR);
    await node.login(user);
    clock.advance(-HOUR);
    await node.sessions.ban(account, draft({ service: 'comment', until: clock.now() + MINUTE }), false);
    await node.sessions.ban(account, draft({ service: 'upload' }), false);
    expect(servicesOf(await bansOf(user))).toEqual(['comment', 'upload']);
    await node.sessions.endSession(id, { reason: 'SESSION_KICKED', by: 'root' });
    expect(await node.tryLogin(user)).toMatchObject({ kind: 'granted', unsettled: true });
    await node.sessions.ban(account, draft({ until: clock.now() + MINUTE }), false);
    expect((await node.tryLogin(user)).kind).toBe('banned');
  });

  it('gets rid of just the ban that is lifted, in every session', async () => {
    const user = newUser();
    const { id } = await node.login(user);
    const account = node.account(user);
    const { ban } = await node.sessions.ban(account, draft({ service: 'comment' }), false);
    const { ban: upload } = await node.sessions.ban(account, draft({ service: 'upload' }), false);
    for (const [service, whose] of [
      [null, account],
      ['vote', account],
      ['comment', node.account(newUser())],
    ] as const) {
      expect(await node.sessions.liftBan(whose, service, 'root')).toBeNull();
    }
    const lifted = await node.sessions.liftBan(account, 'comment', 'merciful');
    expect(lifted).toEqual({ ban, ended: [], change: { kind: 'account', id: account.key, version: 3, end: null } });
    expect(await node.record(id)).toMatchObject({ version: 1, accountVersion: 3, bans: [upload] });
    expect(await bansOf(user)).toEqual([upload]);
    expect((await node.events(user)).at(-1)).toMatchObject({ type: 'BAN_LIFTED', actor: 'merciful', detail: ban });
    expect(await node.sessions.liftBan(account, 'comment', 'root')).toBeNull();
    await node.sessions.liftBan(account, 'upload', 'root');
    expect(await node.record(id)).toMatchObject({ accountVersion: 4, bans: [] });
  });

  it('has bans for more sessions than one statement takes', async () => {
    const user = newUser();
    const { id } = await node.login(user);
    const { session } = node.database.tables;
    const [row] = await node.rows(sql`SELECT * FROM ${session} WHERE id = ${id}`);
    const columns = Object.keys(row!);
    await Promise.all(
      Array.from({ length: 600 }, (_, index) => {
        const copyId = index.toString(16).padStart(32, '0');
        const copy = { ...row, id: copyId, slot: copyId } as Record<string, string | number | null>;
        return node.write(
          sql`INSERT INTO ${session} (${raw(columns.join(', '))}) VALUES (${list(columns.map((name) => copy[name]!))})`,
        );
      }),
    );
    const suspension = await node.sessions.ban(node.account(user), draft({ service: 'comment' }), false);
    expect(suspension.change).toMatchObject({ version: 1, end: null });
    const total = async (condition: string) => {
      const { key } = node.account(user);
      const [counted] = await node.rows(
        sql`SELECT COUNT(*) AS n FROM ${session} WHERE user_key = ${key} AND ${raw(condition)}`,
      );
      return Number(counted!.n);
    };
    expect(await total("status = 'live'")).toBe(601);
    const { ended, change } = await node.sessions.ban(node.account(user), draft(), true);
    expect([ended, change.end?.reason]).toEqual([[], 'ACCOUNT_DISABLED']);
    expect(await node.sessions.listLiveSessions(node.account(user))).toEqual([]);
    expect((await node.record(id)).end).toEqual(change.end);
  });

  it('whose bans cannot be read lets nobody in', async () => {
    const user = newUser();
    const { id } = await node.login(user);
    const { account } = node.database.tables;
    await node.write(sql`UPDATE ${account} SET bans = '{' WHERE user_key = ${node.account(user).key}`);
    const unavailable = { code: 'SESSION_STORE_UNAVAILABLE' };
    await expect(node.tryLogin(user)).rejects.toMatchObject(unavailable);
    expect(await bansOf(user)).toHaveLength(1);
    await expect(node.sessions.changeSession(id, () => ({ result: 0 }))).rejects.toMatchObject(unavailable);
    expect(await node.sessions.listLiveSessions(node.account(user))).toHaveLength(1);
  });

  it('G11: takes no login that was proved before its credentials changed', async () => {
    const user = newUser();
    const [changed, lost] = [await node.login(user), await node.login(user)];
    const proved = clock.now();
    clock.advance(MINUTE);
    const at = clock.now();
    expect(idsOf(await node.endAll(user, { except: changed.id }))).toEqual([lost.id]);
    expect((await node.sessions.readAccount(node.account(user))).notBefore).toBe(at);
    const superseded = { kind: 'superseded', ended: [], clockSetBackBy: 0 };
    for (const authenticatedAt of [proved, at - 1, at]) {
      expect(await node.tryLogin(user, { authenticatedAt })).toEqual(superseded);
    }
    expect(await node.tryLogin(user, { ticketEpoch: 0 })).toEqual(superseded);
    await node.login(user, { ticketEpoch: 1 });
    await node.login(user, { authenticatedAt: at + 1 });
    const refused = (await node.events(user)).filter(({ type }) => type === 'LOGIN_REFUSED');
    expect(refused.map(({ reason }) => reason)).toEqual(Array(4).fill('SESSION_REVOKED'));
    // The session that made the change goes on, and counts as proved then.
    const kept = await node.record(changed.id);
    expect(kept).toMatchObject({ end: null, authenticatedAt: at, version: 2 });
    expect(await node.loggedVersions(changed.id)).toEqual([2]);
  });

  it.each([
    ['an hour', 60],
    ['a month', 30 * 24 * 60],
  ])('G11: goes by the number of a ticket where the clock was set back by %s', async (_step, minutes) => {
    const user = newUser();
    await node.login(user);
    const ahead = await open(new ManualClock(clock.now() + minutes * MINUTE));
    await ahead.endAll(user);
    const authenticatedAt = clock.now();
    for (const login of [{ authenticatedAt }, { authenticatedAt, ticketEpoch: 0 }]) {
      const refused = await node.tryLogin(user, login);
      expect(refused).toMatchObject({ kind: 'superseded', clockSetBackBy: minutes * MINUTE });
    }
    for (const login of [{ authenticatedAt, ticketEpoch: 1 }, { ticketEpoch: 1 }, {}]) {
      const { id } = await node.login(user, login);
      const { record, notBefore } = await node.sessions
        .changeSession(id, (record, account) => ({ result: { record: record!, notBefore: account.notBefore } }))
        .then(({ result }) => result);
      // What a refresh compares.
      expect(record.authenticatedAt).toBeGreaterThanOrEqual(notBefore);
    }
    clock.advance(minutes * MINUTE + 1);
    await node.login(user, { authenticatedAt: clock.now() });
    clock.advance(-minutes * MINUTE - 1);
  });

  it('A61: has steps of its sessions in order, though the clock of another node is behind', async () => {
    const user = newUser();
    const late = await open(new ManualClock(clock.now() - 50));
    const before = await node.login(user);
    await node.endAll(user);
    const after = await late.login(user);
    const { notBefore } = await node.sessions.readAccount(node.account(user));
    expect(after.authenticatedAt).toBeGreaterThanOrEqual(notBefore);
    await late.endAll(user);
    expect((await node.sessions.readAccount(node.account(user))).notBefore).toBeGreaterThanOrEqual(notBefore);
    expect((await node.record(after.id)).end!.at).toBeGreaterThanOrEqual(after.createdAt);
    expect((await node.record(before.id)).end!.at).toBeGreaterThanOrEqual(before.createdAt);
    const banned = await node.login(user);
    const { ban } = await late.sessions.ban(node.account(user), draft(), true);
    expect(ban.at).toBeGreaterThanOrEqual(banned.createdAt);
  });

  it('keeps sessions of operators apart from those that its policy counts', async () => {
    const user = newUser();
    const operator = await node.login(user, { impersonator: 'support' });
    const own = await node.login(user, { replaces: true });
    const second = await node.login(user, { impersonator: 'support', replaces: true });
    expect(await node.record(operator.id)).toMatchObject({ impersonator: 'support', end: null });
    expect((await node.record(own.id)).end).toBeNull();
    const next = await node.tryLogin(user, { replaces: true });
    expect(idsOf(next.ended)).toEqual([own.id]);
    const { session } = node.database.tables;
    const [row] = await node.rows(sql`SELECT slot FROM ${session} WHERE id = ${second.id}`);
    expect(row!.slot).toBe(`as:${second.id}`);
    const opened = (await node.events(user)).filter(({ type }) => type === 'IMPERSONATION');
    expect(opened).toMatchObject([
      { actor: 'support', sessionId: operator.id, userId: user, detail: { comment: 'support' } },
      { actor: 'support', sessionId: second.id },
    ]);
    // All of them end with the account.
    expect(await node.endAll(user)).toHaveLength(3);
  });

  const endedByBan = async (user: string, ends: boolean) =>
    (await node.sessions.ban(node.account(user), draft(), ends)).ended;

  it.each<[string, EndReason, (operator: string) => Promise<readonly EndedSession[]>]>([
    ['is banned', 'SESSION_KICKED', (user) => endedByBan(user, true)],
    ['is suspended', 'SESSION_KICKED', (user) => endedByBan(user, false)],
    ['changes its credentials', 'SESSION_REVOKED', (user) => node.endAll(user)],
  ])('that %s loses in the same step the sessions that it opened as others', async (_how, reason, take) => {
    const [operator, user] = [newUser(), newUser()];
    const own = await node.login(operator);
    const opened = [
      await node.login(user, { impersonator: operator }),
      await other.login(newUser(), { impersonator: operator }),
    ];
    const untouched = [
      await node.login(user),
      await node.login(user, { impersonator: `${operator} ` }),
      await node.login(user, { impersonator: operator.toUpperCase() }),
    ];
    const elsewhere = node.inRealm('elsewhere');
    const foreign = await elsewhere.login(user, { impersonator: operator });
    clock.advance(MINUTE);
    const ended = (await take(operator)).filter(({ sessionId }) => sessionId !== own.id);
    expect(idsOf(ended)).toEqual(opened.map(({ id }) => id).sort());
    for (const { id, userId } of opened) {
      const { version, tombstone } = ended.find(({ sessionId }) => sessionId === id)!;
      const { end } = await node.record(id);
      expect(end).toMatchObject({ reason, at: clock.now(), replacedBy: null });
      expect(tombstone.end).toEqual(end);
      expect(await node.loggedVersions(id)).toEqual([version]);
      const lines = (await node.events(userId)).filter(({ sessionId }) => sessionId === id);
      expect(lines).toMatchObject([{ type: 'IMPERSONATION' }, { type: 'SESSION_ENDED', reason }]);
    }
    for (const { id } of untouched) expect((await node.record(id)).end).toBeNull();
    expect((await elsewhere.record(foreign.id)).end).toBeNull();
    // A ban from a service takes no right to be there.
    await node.sessions.ban(node.account(operator), draft({ service: 'comment' }), false);
    await node.login(user, { impersonator: operator });
    expect((await node.sessions.ban(node.account(operator), draft({ service: 'vote' }), false)).ended).toEqual([]);
  });

  it('ends at once with operators who have opened sessions as each other', async () => {
    for (let round = 0; round < 5; round++) {
      const users = Array.from({ length: 4 }, newUser);
      const pairs = users.flatMap((user) => users.map((impersonator) => ({ user, impersonator })));
      const opened = await Promise.all(pairs.map(({ user, impersonator }) => node.login(user, { impersonator })));
      const ids = opened.map(({ id }) => id);
      await Promise.all([
        ...users.map((user, index) => (index % 2 ? node : other).sessions.ban(node.account(user), draft(), true)),
        other.sessions.endSessions(ids, { reason: 'SESSION_KICKED', by: 'root' }),
      ]);
      for (const id of ids) expect((await node.record(id)).end).not.toBeNull();
    }
  });

  it('finds what it opened as others by an index, whatever the database knows of its tables', async () => {
    const { engine, tables } = node.database;
    const { dialect } = engine;
    const plan = () =>
      engine.transaction(
        function* () {
          const explain = raw(dialect.engine === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN');
          return JSON.stringify(
            (yield sql`${explain} ${openedAs({ tables, dialect, realm: 'users', clock }, node.account('root'))}`).rows,
          );
        },
        { lane: 'work', budgetMs: 20_000 },
      );
    expect(await plan()).toContain('idx_latchkey_session_opened');
    await node.write(
      dialect.engine === 'mysql' ? sql`ANALYZE TABLE ${tables.session}` : sql`ANALYZE ${tables.session}`,
    );
    expect(await plan()).toContain('idx_latchkey_session_opened');
  });
});
