import { beforeAll, describe, expect, it } from '@jest/globals';
import { kindsOf } from '../support/databases.js';
import { type Login, useSampleApp } from './sample-app.js';

const USERS = 23;

interface Item {
  readonly sessionId: string;
  readonly userId: string;
  readonly deviceType: string | null;
  readonly createdAt: string;
  readonly lastSeenAt: string;
}

describe.each(kindsOf('sqlite', 'postgres', 'mariadb'))('an operator on $name', (kind) => {
  const app = useSampleApp({ SEED_USERS: String(USERS), SESSION_POLICY: 'multi' }, kind);
  let admin: Login;
  const logins = new Map<string, Login>();

  beforeAll(async () => {
    admin = await app.login('admin', { deviceType: 'desktop', deviceName: 'Desk' });
    for (let number = 1; number <= USERS; number++) {
      const deviceType = number % 2 ? 'phone' : 'laptop';
      logins.set(`user${number}`, await app.login(`user${number}`, { deviceType, deviceName: `Device ${number}` }));
    }
  });

  const get = async (path: string) => {
    const { status, body } = await app.get(path, admin.accessToken);
    expect(status).toBe(200);
    return body as { items: Item[]; nextCursor: string | null; total: number; totalIsEstimate?: boolean };
  };
  const idsOf = ({ items }: { items: readonly Item[] }) => items.map(({ sessionId }) => sessionId);
  const pages = async (path: string, limit: number) => {
    const items: Item[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await get(`${path}limit=${limit}&cursor=${encodeURIComponent(cursor)}`);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    return items;
  };

  it.each(['login', 'lastSeen'] as const)('sees every session once, page by page, by %s', async (sort) => {
    const items = await pages(`/admin/online-users?sort=${sort}&`, 5);
    expect(idsOf({ items }).sort()).toEqual([admin, ...logins.values()].map(({ sessionId }) => sessionId).sort());
    const times = items.map(({ createdAt, lastSeenAt }) => (sort === 'login' ? createdAt : lastSeenAt));
    // The operator's own use is written while they page.
    const others = times.filter((_, index) => items[index]!.userId !== 'admin');
    expect(others).toEqual([...others].sort().reverse());
    const { total, totalIsEstimate } = await get('/admin/online-users');
    expect({ total, totalIsEstimate }).toEqual({ total: USERS + 1, totalIsEstimate: false });
  });

  it('filters by user, device type, address and what is searched for', async () => {
    const one = logins.get('user7')!.sessionId;
    expect(idsOf(await get('/admin/online-users?userId=user7'))).toEqual([one]);
    expect(idsOf(await get('/admin/online-users?q=Device%207'))).toEqual([one]);
    expect((await get('/admin/online-users?q=user1')).items.map(({ userId }) => userId).sort()).toEqual(
      ['user1', ...Array.from({ length: 10 }, (_, index) => `user1${index}`)].sort(),
    );
    const laptops = await get('/admin/online-users?deviceType=laptop');
    expect(laptops.items.map(({ deviceType }) => deviceType)).toEqual(Array(11).fill('laptop'));
    expect((await get('/admin/online-users?ip=127.0.0.1')).total).toBe(USERS + 1);
    for (const nothing of [
      'q=%25',
      'q=_ser7',
      'userId=user',
      'ip=127.0.0.2',
      'deviceType=tv',
      'q=%27%20OR%201%3D1--',
    ]) {
      expect(idsOf(await get(`/admin/online-users?${nothing}`))).toEqual([]);
    }
  });

  it('ends one session, and the record says who did it', async () => {
    const { sessionId, accessToken } = logins.get('user3')!;
    expect((await app.delete(`/admin/sessions/${sessionId}`, admin.accessToken)).body).toEqual({ ended: 1 });
    expect((await app.get('/me', accessToken)).body.errorCode).toBe('SESSION_KICKED');
    expect(idsOf(await get('/admin/users/user3/sessions'))).toEqual([]);
    expect((await get('/admin/users/user3/sessions?ended=true')).items).toEqual([
      expect.objectContaining({
        sessionId,
        userId: 'user3',
        username: 'user3',
        deviceType: 'phone',
        endReason: 'SESSION_KICKED',
        endedBy: 'admin',
        endedAt: expect.stringMatching(/Z$/),
        replacedBy: null,
      }),
    ]);
    logins.delete('user3');
  });

  it('ends all sessions of a user', async () => {
    const second = await app.login('user4', { deviceType: 'tv' });
    expect(idsOf(await get('/admin/users/user4/sessions'))).toHaveLength(2);
    expect((await app.delete('/admin/users/user4/sessions', admin.accessToken)).body).toEqual({ ended: 2 });
    expect((await app.delete('/admin/users/user4/sessions', admin.accessToken)).body).toEqual({ ended: 0 });
    expect((await app.delete('/admin/users/nobody/sessions', admin.accessToken)).body).toEqual({ ended: 0 });
    for (const { accessToken } of [logins.get('user4')!, second]) {
      expect((await app.get('/me', accessToken)).body.errorCode).toBe('SESSION_KICKED');
    }
    expect(await app.login('user4')).toMatchObject({ ended: [] });
  });

  it('A111: reads in the audit trail who did what to whom, page by page', async () => {
    const trail = await pages('/admin/events?', 7);
    expect(new Set(trail.map((event) => (event as unknown as { id: string }).id)).size).toBe(trail.length);
    expect(trail).toContainEqual(
      expect.objectContaining({ type: 'SESSION_ENDED', userId: 'user3', reason: 'SESSION_KICKED', actor: 'admin' }),
    );
    expect(trail).toContainEqual(
      expect.objectContaining({ type: 'ACCOUNT_SESSIONS_ENDED', userId: 'user4', actor: 'admin', ended: 2 }),
    );
    const since = new Date(Date.now() - 60_000).toISOString();
    const filtered = await get(`/admin/events?userId=user5&type=LOGIN&ip=127.0.0.1&from=${encodeURIComponent(since)}`);
    expect(filtered.items).toMatchObject([{ type: 'LOGIN', userId: 'user5', actor: 'user5', deviceName: 'Device 5' }]);
    expect((await get(`/admin/events?to=${encodeURIComponent(since)}`)).items).toEqual([]);
  });
});
