import { beforeAll, describe, expect, it } from '@jest/globals';
import { PagedList } from 'lib/cursor.js';
import { Keyset } from 'lib/keyset.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { adapters, useApp } from '../nest/http-app.js';
import { isSoak } from '../support/size.js';
import { startAdminApp } from './admin-app.js';

/** Every list that has cursors, with orders and filters that hold for two rows at least. */
const LISTS = [
  ...'/online-users? /online-users?sort=login /online-users?sort=user /online-users?deviceType=phone'.split(' '),
  ...'/online-users?deviceType=phone&sort=login /online-users?q=a /online-users?q=al'.split(' '),
  ...'/online-users?ip=192.0.2.0/24 /online-users?ip=192.0.2.0/25 /online-users?createdFrom=2001-01-01'.split(' '),
  ...'/online-users?seenFrom=2001-01-01 /online-users?groupBy=user /online-users?groupBy=user&q=a'.split(' '),
  ...'/ended-sessions? /ended-sessions?userId=alice /ended-sessions?reason=SESSION_KICKED'.split(' '),
  ...'/users/alice/sessions? /users/anna/sessions? /users/alice/sessions?ended=true /events?'.split(' '),
  ...'/events?type=LOGIN /events?type=SESSION_ENDED /events?userId=alice /sightings?ip=192.0.2.1'.split(' '),
  ...'/sightings?ip=192.0.2.0/24 /sightings?userId=alice /sightings?userId=anna'.split(' '),
];

/** In `npm test`, a cursor is given to so many lists before and behind its own, which differ from it in little. */
const NEAR = 3;

const server = useApp(() => startAdminApp(adapters[0]!));
let token: string;

beforeAll(async () => {
  token = await server.operator('view', 'viewAddresses');
  for (const userId of ['alice', 'anna', 'alice', 'anna', 'alice', 'alice']) {
    server.clock.advance(10);
    await server.tokens.login(userId, { deviceType: 'phone', ip: '192.0.2.1' });
  }
  const ids = (await server.sessions.list('alice')).slice(0, 2).map(({ id }) => id);
  await server.operators.kickMany(ids, { by: 'root' });
  await server.app.get(SessionRuntime, { strict: false }).journal.flush();
});

const page = (list: string, cursor: string, limit = 1) => server.get(token, `${list}&limit=${limit}&cursor=${cursor}`);
const INVALID = { status: 400, json: { errorCode: 'CURSOR_INVALID' } };

describe('A13: a cursor', () => {
  it('is good for the list, the order and the filter that it came from, and for no other', async () => {
    const cursors = new Map<string, readonly string[]>();
    for (const list of LISTS) {
      const { nextCursor } = (await page(list, '')).json as { nextCursor: string };
      const second = (await page(list, nextCursor)).json as { prevCursor: string };
      expect([list, typeof nextCursor, typeof second.prevCursor]).toEqual([list, 'string', 'string']);
      cursors.set(list, [nextCursor, second.prevCursor]);
    }
    for (const [index, from] of LISTS.entries()) {
      const others = isSoak ? LISTS : LISTS.filter((_, other) => Math.abs(other - index) <= NEAR);
      for (const list of others) {
        for (const cursor of cursors.get(from)!) {
          const { status, json } = await page(list, cursor, 2);
          expect([from, list, status, json.errorCode]).toEqual(
            from === list ? [from, list, 200, undefined] : [from, list, 400, 'CURSOR_INVALID'],
          );
        }
      }
    }
  });

  it('is refused when it is cut, longer, or changed anywhere', async () => {
    const { nextCursor: cursor } = (await page('/online-users?', '')).json as { nextCursor: string };
    const wrong = [
      ...Array.from({ length: cursor.length - 1 }, (_, index) => cursor.slice(0, index + 1)),
      ...Array.from(
        { length: cursor.length },
        (_, index) => `${cursor.slice(0, index)}${cursor[index] === 'A' ? 'B' : 'A'}${cursor.slice(index + 1)}`,
      ),
      ...['A', '=', '!', '.', '%20'].map((more) => cursor + more),
      `${cursor}${cursor}`,
      'x'.repeat(3000),
      Buffer.from('n.1.zz').toString('base64url'),
      Buffer.from('n').toString('base64url'),
    ];
    for (const text of wrong) expect(await page('/online-users?', text)).toMatchObject(INVALID);
    expect((await page('/online-users?', cursor)).status).toBe(200);
  });

  it('is of one realm', () => {
    const order = new Keyset([{ name: 'id', kind: 'hex' }], true);
    const [users, staff] = ['users', 'staff'].map((realm) => new PagedList(realm, 'events', {}, order));
    const portion = users!.portion({ limit: 1 });
    const { nextCursor: cursor } = users!.page(
      [
        { position: ['aa'], item: 1 },
        { position: ['bb'], item: 2 },
      ],
      portion,
    );
    expect(users!.portion({ cursor })).toMatchObject({ from: ['aa'] });
    expect(() => staff!.portion({ cursor })).toThrow(expect.objectContaining({ code: 'CURSOR_INVALID' }));
  });
});
