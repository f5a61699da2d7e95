import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type UserSession, fixed, multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService, type Page } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import { DataSource } from 'typeorm';
import { ipRange } from 'lib/ip-key.js';
import type { OnlineFilter } from 'lib/database/lists/online-filter.js';
import { OnlineQueries } from 'lib/online-queries.js';
import { searchKey } from 'lib/session-rows.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, databaseKinds } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';

const START = Date.UTC(2026, 0, 15, 12);
const USERS = 60;
// Two begin as ids of users do: of the user who has it, and of another.
const DEVICE_NAMES: Record<number, string> = { 7: '100%_sure!', 13: 'user-5, spare', 55: 'user-55, spare' };

describe.each(databaseKinds)('who is online on $name', ({ create }) => {
  const clock = new ManualClock(START);
  let database: TestDatabase;
  let application: DataSource;
  let node: Sessions;
  let otherRealm: Sessions;
  let online: OnlineUsersService;
  let runtime: SessionRuntime;

  beforeAll(async () => {
    database = await create();
    application = await new DataSource(database.options).initialize();
    const options = {
      database: database.options,
      clock,
      policy: multiDevice({ max: Infinity }),
      tokens: fixed({ ttl: '2h' }),
      timing: { sweep: '1h', activityFlush: '1h' },
    } as const;
    node = await startSessions(options, [OnlineUsersService]);
    otherRealm = await startSessions({ ...options, realm: 'admins' }, [OnlineUsersService]);
    online = node.context.get(OnlineUsersService, { strict: false });
    runtime = node.context.get(SessionRuntime, { strict: false });
    for (let index = 0; index < USERS; index++) {
      // Three logins of each moment, so that times alone do not order them.
      if (index % 3 === 0) clock.advance(1000);
      const { accessToken } = await node.tokens.login(`user-${index}`, {
        deviceType: index % 2 ? 'phone' : 'laptop',
        deviceName: DEVICE_NAMES[index] ?? `device ${index}`,
        ip: `192.0.2.${index}`,
      });
      if (index % 5 === 0) {
        clock.advance(1);
        await node.tokens.verify(accessToken, { ip: '198.51.100.1' });
      }
    }
    await runtime.activity.flush();
    await otherRealm.tokens.login('user-1', { ip: '192.0.2.1' });
  });

  afterAll(async () => {
    await Promise.all([node.close(), otherRealm.close(), application.destroy()]);
    await database.drop();
  });

  async function all<T>(page: (cursor: string | null) => Promise<Page<T>>): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = null;
    do {
      const next: Page<T> = await page(cursor);
      items.push(...next.items);
      cursor = next.nextCursor;
    } while (cursor !== null);
    return items;
  }

  it.each(['lastSeen', 'login'] as const)('A109: pages by %s show every session once, latest first', async (sort) => {
    const whole = await online.list({ sort, limit: 200 });
    const paged = await all((cursor) => online.list({ sort, limit: 7, cursor }));
    expect(paged).toEqual(whole.items);
    expect(new Set(paged.map(({ id }) => id)).size).toBe(USERS);
    const times = paged.map((session) => (sort === 'login' ? session.createdAt : session.lastSeenAt));
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect([whole.total, whole.totalIsEstimate, whole.nextCursor]).toEqual([USERS, false, null]);
  });

  it.each([
    [7, {}],
    [10, {}],
    [7, { q: 'user-1' }],
    [200, { deviceType: 'phone' }],
    [7, { q: 'nobody' }],
  ])('is gone through by %d, of %j, in the order of logins', async (limit, criteria) => {
    const { items } = await online.list({ sort: 'login', limit: 200, ...criteria });
    const pages: (readonly UserSession[])[] = [];
    for await (const page of online.pages({ limit, ...criteria })) pages.push(page);
    expect(pages.flat()).toEqual(items);
    expect(pages.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
  });

  it.each(['lastSeen', 'login', 'user'] as const)('by %s pages back as it paged on', async (sort) => {
    const pages = [await online.list({ sort, limit: 9 })];
    while (pages.at(-1)!.nextCursor)
      pages.push(await online.list({ sort, limit: 9, cursor: pages.at(-1)!.nextCursor }));
    expect(pages.map(({ items }) => items.length)).toEqual([9, 9, 9, 9, 9, 9, 6]);
    expect(pages[0]!.prevCursor).toBeNull();
    for (let index = pages.length - 1; index > 0; index--) {
      const before = await online.list({ sort, limit: 9, cursor: pages[index]!.prevCursor });
      expect(before.items).toEqual(pages[index - 1]!.items);
      expect(before.nextCursor).toBe(pages[index - 1]!.nextCursor);
      expect(before.prevCursor === null).toBe(index === 1);
    }
  });

  it('finds the same whether a filter holds for few or for many', async () => {
    const scope = { ...runtime.database, realm: runtime.queries.realm, clock, budgetMs: 5000 };
    const filters: OnlineFilter[] = [
      {},
      { deviceType: 'phone' },
      { prefix: 'user-1' },
      { prefix: 'user-5' },
      { prefix: '192.0.2.', prefixIp: ipRange('192.0.2.')! },
      { ip: ipRange('198.51.100.0/24')! },
      { deviceType: 'phone', prefix: 'device' },
      { seen: { from: START + 10_000 }, created: { to: START + 15_000 } },
    ];
    let users = 0;
    for (const filter of filters) {
      for (const sort of ['lastSeen', 'login', 'user'] as const) {
        const [few, many] = [5000, 3].map((few) => new OnlineQueries(scope, few));
        const portion = { from: null, backwards: false, limit: 200 };
        const found = await few!.list(filter, sort, portion);
        expect(found.length).toBeGreaterThan(3);
        expect(await many!.list(filter, sort, portion)).toEqual(found);
        const from = found.at(-2)!.position;
        for (const backwards of [false, true]) {
          const next = backwards ? found.slice(0, -2).slice(-3) : found.slice(-1);
          for (const queries of [few!, many!])
            expect(await queries.list(filter, sort, { from, backwards, limit: 3 })).toEqual(next);
        }
        expect([await few!.count(filter, 1000), await many!.count(filter, 1000)]).toEqual([found.length, found.length]);
        expect(await few!.estimate(filter)).toBe(found.length);
      }
      for (const portion of [
        { from: null, backwards: false, limit: 4 },
        { from: [searchKey('user-12'), ''], backwards: false, limit: 4 },
        { from: [searchKey('user-18'), ''], backwards: true, limit: 4 },
      ]) {
        const [few, many] = [5000, 3].map((few) => new OnlineQueries(scope, few));
        const found = await few!.users(filter, portion);
        users += found.length;
        expect(await many!.users(filter, portion)).toEqual(found);
      }
    }
    expect(users).toBeGreaterThan(20);
  });

  it.each([
    [{ userId: 'user-1' }, 1],
    [{ q: 'user-1' }, 11],
    [{ q: 'USER-NOBODY' }, 0],
    [{ q: 'device 4' }, 11],
    [{ q: '100%_' }, 1],
    [{ q: '%' }, 0],
    [{ q: '_' }, 0],
    [{ q: '192.0.2.5' }, 1],
    [{ q: '192.0.2.' }, 60],
    [{ q: '192.0' }, 60],
    [{ ip: '192.0.2.0/29' }, 8],
    [{ ip: '::ffff:192.0.2.5' }, 1],
    [{ q: 'USER-1' }, 11],
    [{ q: 'Device 4' }, 11],
    [{ ip: '192.0.2.5' }, 1],
    [{ ip: '198.51.100.1' }, 12],
    [{ deviceType: 'Phone' }, 30],
    [{ deviceType: 'phone', q: 'user-1' }, 6],
    [{ q: "' OR 1=1 --" }, 0],
    [{ q: '!' }, 0],
  ])('A94: %j finds %d', async (query, total) => {
    const page = await online.list({ ...query, limit: 200 });
    expect([page.items.length, page.total]).toEqual([total, total]);
  });

  it('is said of one realm only', async () => {
    const others = otherRealm.context.get(OnlineUsersService, { strict: false });
    expect((await others.list()).total).toBe(1);
    const [session] = (await others.list()).items;
    expect(await node.operators.kick(session!.id, { by: 'root' })).toBe(false);
    expect(await node.sessions.find(session!.id)).toBeNull();
    expect((await others.list()).total).toBe(1);
  });

  it('pages through events, within times', async () => {
    const paged = await all((cursor) => online.events({ limit: 9, cursor, type: 'LOGIN' }));
    expect(paged).toHaveLength(USERS);
    expect(new Set(paged.map(({ id }) => id)).size).toBe(USERS);
    const [from, to] = [paged[40]!.at, paged[10]!.at];
    const within = await online.events({ from, to, limit: 200 });
    expect(within.items.map(({ id }) => id)).toEqual(
      paged.filter(({ at }) => at >= from && at < to).map(({ id }) => id),
    );
  });

  it('by user is in the order of user ids, and grouped by user says what each is online with', async () => {
    const { items } = await online.list({ sort: 'user', limit: 200 });
    const ids = items.map(({ userId }) => userId);
    expect(ids).toEqual([...ids].sort());
    await node.tokens.login('user-1', { deviceType: 'tablet', userName: 'Ursula' });
    const users = await all((cursor) => online.listUsers({ limit: 7, cursor }));
    expect(users.map(({ userId }) => userId)).toEqual([...new Set(ids)]);
    expect(users.find(({ userId }) => userId === 'user-1')).toEqual({
      userId: 'user-1',
      userName: 'Ursula',
      sessions: 2,
      lastSeenAt: clock.now(),
      deviceTypes: ['phone', 'tablet'],
    });
    // Every filter of the list holds for the groups as well, and what they say is of the sessions that it finds.
    const tablets = await online.listUsers({ deviceType: 'tablet', userId: 'user-1' });
    expect(tablets.items).toMatchObject([{ userId: 'user-1', sessions: 1, deviceTypes: ['tablet'] }]);
    const filters = [
      { deviceType: 'phone' },
      { ip: '192.0.2.0/24' },
      { loginMethod: 'none' },
      { createdFrom: clock.now() },
      { seenTo: clock.now() - 1, deviceType: 'phone' },
      { q: 'user-1', deviceType: 'tablet' },
    ];
    for (const filter of filters) {
      const found = await all((cursor) => online.list({ ...filter, sort: 'user', limit: 50, cursor }));
      const grouped = await all((cursor) => online.listUsers({ ...filter, limit: 9, cursor }));
      expect(grouped.map((user) => user.userId)).toEqual([...new Set(found.map((session) => session.userId))]);
      expect(grouped.reduce((sum, user) => sum + user.sessions, 0)).toBe(found.length);
    }
    expect((await online.listUsers({ q: 'URS' })).items.map(({ userId }) => userId)).toEqual(['user-1']);
    expect((await online.list({ q: 'ursula' })).total).toBe(1);
    const kicked = (await online.list({ q: 'ursula' })).items[0]!.id;
    expect(await node.operators.kick(kicked, { by: 'root', comment: 'was a test' })).toBe(true);
    const [event] = (await online.events({ sessionId: kicked, type: 'SESSION_ENDED' })).items;
    expect(event).toMatchObject({ actor: 'root', reason: 'SESSION_KICKED', detail: { comment: 'was a test' } });
  });

  it('shows the past of a user page by page, with how each session ended', async () => {
    for (let index = 0; index < 5; index++) {
      clock.advance(1000);
      const { accessToken } = await node.tokens.login('historian');
      if (index < 4) await node.tokens.logout(accessToken);
    }
    const past = await all((cursor) => online.userSessions('historian', { ended: true, limit: 3, cursor }));
    expect(past.map(({ end }) => end?.reason)).toEqual(Array(4).fill('SESSION_LOGGED_OUT'));
    const live = await online.userSessions('historian');
    expect(live.items.map(({ end }) => end)).toEqual([null]);
    expect(await node.operators.kickUser('historian', { by: 'root' })).toBe(1);
    expect((await online.userSessions('historian')).items).toEqual([]);
  });

  it('is right though nobody comes back: overdue sessions are neither listed nor counted, and a sweep ends them', async () => {
    const before = await online.list({ limit: 200 });
    clock.advance(3 * 3_600_000);
    expect(await online.list()).toMatchObject({ items: [], total: 0, totalIsEstimate: false });
    await runtime.sweep();
    const ended = await node.sessions.find(before.items[0]!.id);
    expect(ended?.end).toMatchObject({ reason: 'TOKEN_EXPIRED', by: 'system' });
    const events = await all((cursor) => online.events({ type: 'SESSION_ENDED', limit: 200, cursor }));
    expect(events.filter(({ reason }) => reason === 'TOKEN_EXPIRED')).toHaveLength(before.total);

    // The change log is kept for as long as a copy may live, twice over, and no longer.
    const changes = async () => Number((await application.query('SELECT COUNT(*) AS n FROM latchkey_change'))[0].n);
    expect(await changes()).toBeGreaterThanOrEqual(before.total);
    clock.advance(11 * 60_000);
    await runtime.sweep();
    // That clock says nothing of what this node has seen, and for how long.
    expect(await changes()).toBeGreaterThanOrEqual(before.total);
    const monotonic = jest.spyOn(clock, 'monotonic').mockImplementation(() => performance.now() + 11 * 60_000);
    await runtime.coherence.poll();
    monotonic.mockImplementation(() => performance.now() + 22 * 60_000);
    await runtime.sweep();
    expect(await changes()).toBe(0);
    monotonic.mockRestore();
  });
});
