import { beforeAll, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService, type Page } from 'nestjs-latchkey/admin';
import { DataSource } from 'typeorm';
import { databaseKinds } from '../support/databases.js';
import { useSessions } from '../sessions/harness.js';

const USERS = ['ann', 'bob', 'cem', 'dan', 'eva', 'fay', 'gus', 'hal'];
/** Two within the first page of three or just behind it, in either direction; and a page of nothing else. */
const UNREADABLE = ['bob', 'dan', 'eva', 'fay', 'gus'];
const READABLE = USERS.filter((user) => !UNREADABLE.includes(user));

type Listing = (query: { limit: number; cursor: string | null }) => Promise<Page<{ userId: string }>>;

describe.each(databaseKinds)('F41: a list with rows that show nothing, on $name', (kind) => {
  const sessions = useSessions(kind, { policy: multiDevice() });
  let operators: OnlineUsersService;

  beforeAll(async () => {
    operators = sessions.online;
    const source = await new DataSource(sessions.database.options).initialize();
    const login = async (user: string, deviceType: string) => {
      sessions.clock.advance(1000);
      const { session } = await sessions.tokens.login(user, { deviceType });
      return session.id;
    };
    const spoil = (id: string, assignments: string) =>
      source.query(`UPDATE latchkey_session SET ${assignments} WHERE id = '${id}'`);
    for (const user of USERS) {
      const isReadable = READABLE.includes(user);
      const live = await login(isReadable ? user : `${user}\\`, 'phone');
      const past = await login('historian', user);
      await sessions.operators.kick(past, { by: 'root' });
      if (isReadable) continue;
      // Half of a backslash is no user id, and half of an object are no claims.
      await spoil(live, `claims = '{', user_id = SUBSTR(user_id, 1, LENGTH(user_id) - 1)`);
      await spoil(past, `claims = '{'`);
    }
    await source.destroy();
  });

  it.each<[string, Listing, readonly string[]]>([
    ['sessions by last use', (query) => operators.list({ ...query, deviceType: 'phone' }), [...READABLE].reverse()],
    ['sessions by login', (query) => operators.list({ ...query, sort: 'login' }), [...READABLE].reverse()],
    ['sessions by user', (query) => operators.list({ ...query, sort: 'user' }), READABLE],
    ['users', (query) => operators.listUsers(query), READABLE],
    ['past sessions', (query) => operators.endedSessions(query), READABLE.map(() => 'historian')],
    [
      'past of a user',
      (query) => operators.userSessions('historian', { ...query, ended: true }),
      READABLE.map(() => 'historian'),
    ],
  ])('goes on behind them, both ways: %s', async (_name, list, expected) => {
    const pages: Page<{ userId: string }>[] = [];
    let cursor: string | null = null;
    do {
      pages.push(await list({ limit: 3, cursor }));
      cursor = pages.at(-1)!.nextCursor;
    } while (cursor !== null);
    expect(pages).toHaveLength(3);
    expect(pages.flatMap(({ items }) => items.map(({ userId }) => userId))).toEqual(expected);
    const before = await list({ limit: 3, cursor: pages[2]!.prevCursor });
    expect(before).toEqual(pages[1]);
    expect((await list({ limit: 3, cursor: before.prevCursor })).items).toEqual(pages[0]!.items);
  });
});
