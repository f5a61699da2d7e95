import { beforeAll, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { ipRange } from 'lib/ip-key.js';
import { accountRef } from 'lib/user-key.js';
import type { Listed, Portion } from 'lib/keyset.js';
import { type SightingItem } from 'lib/sighting-queries.js';
import { databaseKinds } from '../support/databases.js';
import { HOUR, MINUTE, SECOND, useSessions } from '../sessions/harness.js';

const ALL: Portion = { from: null, backwards: false, limit: 200 };
const timing = { activityFlush: '5m', sweep: '1h', sightingInterval: '5m' } as const;

function itemsOf(rows: readonly Listed<SightingItem>[]): readonly SightingItem[] {
  return rows.map(({ item }) => item!);
}

describe.each(databaseKinds)('sightings on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), tokens: accessAndRefresh(), timing });
  const flush = () => harness.runtime.journal.flush();
  const queries = () => harness.runtime.sightingQueries;
  const timesOf = async (sessionId: string) =>
    itemsOf(await queries().bySession(sessionId, ALL)).map(({ ip, firstAt, lastAt }) => [ip, firstAt, lastAt]);

  it('are noted at login, at a use and at a refresh, with the user and the device of the session', async () => {
    const { tokens, clock } = harness;
    const start = clock.now();
    const login = await tokens.login('alice', {
      userName: 'Alice',
      ip: '192.0.2.1',
      deviceType: 'phone',
      deviceName: 'her phone',
    });
    clock.advance(SECOND);
    await tokens.verify(login.accessToken, { ip: '192.0.2.2' });
    tokens.recordUse(login.session.id, '2001:db8::1');
    await tokens.refresh(login.refreshToken, { ip: '::ffff:192.0.2.3' });
    await tokens.verify(login.accessToken, { ip: '192.0.2.4', activity: false });
    await tokens.verify(login.accessToken);
    await flush();
    const found = itemsOf(await queries().byUser(accountRef('users', 'alice'), ALL));
    expect(found).toHaveLength(5);
    for (const item of found) {
      expect(item).toMatchObject({
        sessionId: login.session.id,
        userId: 'alice',
        userName: 'Alice',
        deviceType: 'phone',
        deviceName: 'her phone',
      });
    }
    expect(new Map(found.map(({ ip, firstAt, lastAt }) => [ip, [firstAt, lastAt]]))).toEqual(
      new Map([
        ['192.0.2.1', [start, start]],
        ['192.0.2.2', [start + SECOND, start + SECOND]],
        ['2001:db8::1', [start + SECOND, start + SECOND]],
        ['192.0.2.3', [start + SECOND, start + SECOND]],
        ['192.0.2.4', [start + SECOND, start + SECOND]],
      ]),
    );
  });

  it('are noted at a logout with a token of either kind, as whoever stole it can do, and never for a token that is none', async () => {
    const { tokens } = harness;
    for (const kind of ['accessToken', 'refreshToken'] as const) {
      const login = await tokens.login(`logged-out-${kind}`, { ip: '192.0.2.1' });
      await tokens.logout(`${login[kind]}x`, { ip: '192.0.2.3' });
      expect(await tokens.logout(login[kind], { ip: '192.0.2.2' })).toBe(true);
      await flush();
      const ips = (await timesOf(login.session.id)).map(([ip]) => ip);
      expect(ips.toSorted()).toEqual(['192.0.2.1', '192.0.2.2']);
    }
    await expect(tokens.logout('any', { ip: 7 } as never)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
  });

  it('have the first and the last use of all nodes, whichever writes first', async () => {
    const { tokens, clock, runtime } = harness;
    const node = await harness.another();
    const { session } = await tokens.login('merged', { ip: '192.0.2.10' });
    const start = clock.now();
    clock.advance(MINUTE);
    tokens.recordUse(session.id, '192.0.2.10');
    clock.advance(MINUTE);
    node.tokens.recordUse(session.id, '192.0.2.10');
    await node.runtime.journal.flush();
    expect(await timesOf(session.id)).toEqual([['192.0.2.10', start + 2 * MINUTE, start + 2 * MINUTE]]);
    await runtime.journal.flush();
    expect(await timesOf(session.id)).toEqual([['192.0.2.10', start, start + 2 * MINUTE]]);
    clock.advance(HOUR);
    await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const { tokens: some, runtime: own } = index % 2 ? harness : node;
        some.recordUse(session.id, `192.0.2.${20 + (index % 4)}`);
        await own.journal.flush();
      }),
    );
    expect(await timesOf(session.id)).toHaveLength(5);
  });

  it('are not written again within the interval, and are behind by no more than that', async () => {
    const { tokens, clock, runtime } = harness;
    const { session } = await tokens.login('steady', { ip: '192.0.2.30' });
    await flush();
    const start = clock.now();
    const { sightings } = runtime.journal;
    let writes = 0;
    const repository = (sightings as unknown as { repository: { addSightings(all: unknown[]): Promise<void> } })
      .repository;
    const addSightings = repository.addSightings.bind(repository);
    repository.addSightings = (all) => {
      writes += all.length;
      return addSightings(all);
    };
    for (let use = 0; use < 100; use++) {
      clock.advance(10 * SECOND);
      tokens.recordUse(session.id, '192.0.2.30');
      await flush();
      const [[, , lastAt]] = (await timesOf(session.id)) as [[string, number, number]];
      expect(clock.now() - lastAt).toBeLessThan(5 * MINUTE);
    }
    expect([writes, await timesOf(session.id)]).toEqual([3, [['192.0.2.30', start, start + 15 * MINUTE]]]);
    repository.addSightings = addSightings;
  });

  it('of one address in several spellings are one', async () => {
    const { tokens } = harness;
    const { session } = await tokens.login('speller');
    for (const ip of ['2001:db8::a', '2001:DB8::A', '2001:db8:0:0::a']) tokens.recordUse(session.id, ip);
    for (const none of ['nobody', 'zz', '1.2.3', 'fe80']) tokens.recordUse(session.id, none);
    await flush();
    expect(await timesOf(session.id)).toHaveLength(1);
  });

  it('are not noted of a session that nobody has, or that is of another realm', async () => {
    const { tokens } = harness;
    const other = await harness.another({ realm: 'admins' });
    const { session } = await other.tokens.login('root');
    tokens.recordUse(session.id, '192.0.2.40');
    tokens.recordUse('0'.repeat(32), '192.0.2.40');
    await flush();
    expect(await queries().byAddress(ipRange('192.0.2.40')!, {}, ALL)).toEqual([]);
    expect(await other.runtime.sightingQueries.bySession(session.id, ALL)).toEqual([]);
  });

  it('can be turned off', async () => {
    const node = await harness.another({ sightings: false });
    const { session, accessToken } = await node.tokens.login('unseen', { ip: '192.0.2.50' });
    await node.tokens.verify(accessToken, { ip: '192.0.2.51' });
    await node.runtime.journal.flush();
    expect(await timesOf(session.id)).toEqual([]);
    expect(node.runtime.journal.sightings).toBeNull();
  });

  it('are written when the application is closed', async () => {
    const node = await harness.another();
    const { session } = await node.tokens.login('leaving', { ip: '192.0.2.60' });
    await node.close();
    expect(await timesOf(session.id)).toHaveLength(1);
  });

  it('G9: hold no token, and no more than the address of it', async () => {
    const { tokens } = harness;
    const login = await tokens.login('careful', { ip: '192.0.2.70' });
    tokens.recordUse(login.session.id, 'zz');
    await flush();
    const [item] = itemsOf(await queries().bySession(login.session.id, ALL));
    expect(Object.keys(item!).sort()).toEqual(
      ['deviceName', 'deviceType', 'firstAt', 'impersonator', 'ip', 'lastAt', 'sessionId', 'userId', 'userName'].sort(),
    );
  });

  describe('by address', () => {
    const sessionsOf = new Map<string, string>();
    let start: number;

    beforeAll(async () => {
      const { tokens, clock } = harness;
      clock.advance(24 * HOUR);
      start = clock.now();
      for (let index = 0; index < 40; index++) {
        // Two of each moment, so that times alone do not order them.
        if (index % 2 === 0) clock.advance(10 * MINUTE);
        const ip = index % 4 === 3 ? `2001:db8:${index.toString(16)}::1` : `203.0.113.${index}`;
        sessionsOf.set(ip, (await tokens.login(`net-${index}`, { ip })).session.id);
      }
      await flush();
    });

    const found = async (text: string, time = {}, portion = ALL) =>
      itemsOf(await queries().byAddress(ipRange(text)!, time, portion)).map(({ ip }) => ip);

    it.each([
      ['203.0.113.0/24', 30],
      ['203.0.113.', 30],
      ['203.0.113.0/28', 12],
      ['203.0.113.7', 0],
      ['203.0.113.8', 1],
      ['::ffff:203.0.113.8', 1],
      ['2001:db8::/32', 10],
      ['2001:db8:3::/48', 1],
      ['2001:db9::/32', 0],
      ['0.0.0.0/0', 30],
    ])('%s is found in %d', async (text, count) => {
      const before = Object.fromEntries(sessionsOf);
      const ips = (await found(text, { from: start })).filter((ip) => ip in before);
      expect(ips).toHaveLength(count);
    });

    it('and time: who had it, or may have had it, then', async () => {
      const { tokens, clock } = harness;
      const { session } = await tokens.login('tenant', { ip: '198.51.100.9' });
      const from = clock.now();
      clock.advance(HOUR);
      tokens.recordUse(session.id, '198.51.100.9');
      await flush();
      const at = async (time: number) => (await found('198.51.100.9', { from: time, to: time + 1 })).length;
      expect(await at(from - 1)).toBe(0);
      expect(await at(from)).toBe(1);
      expect(await at(from + 30 * MINUTE)).toBe(1);
      expect(await at(from + HOUR)).toBe(1);
      // A use that was not written again may have been up to the interval, and that of writing, later.
      expect(await at(from + HOUR + 10 * MINUTE)).toBe(1);
      expect(await at(from + HOUR + 10 * MINUTE + 1)).toBe(0);
      expect((await found('198.51.100.9', { to: from })).length).toBe(0);
    });

    it('come page by page, once each, latest first; and back', async () => {
      const range = ipRange('203.0.113.0/24')!;
      const whole = await queries().byAddress(range, { from: start }, ALL);
      const pages: (readonly Listed<SightingItem>[])[] = [];
      for (let from: Portion['from'] = null; ;) {
        const page = await queries().byAddress(range, { from: start }, { from, backwards: false, limit: 7 });
        if (page.length === 0) break;
        pages.push(page);
        from = page.at(-1)!.position;
      }
      expect(pages.map(({ length }) => length)).toEqual([7, 7, 7, 7, 2]);
      expect(pages.flat()).toEqual(whole);
      const times = itemsOf(whole).map(({ lastAt }) => lastAt);
      expect(times).toEqual([...times].sort((a, b) => b - a));
      const before = await queries().byAddress(
        range,
        { from: start },
        { from: pages[2]![0]!.position, backwards: true, limit: 7 },
      );
      expect(before).toEqual(pages[1]);
    });

    it('of one session or one user come page by page as well', async () => {
      const { tokens, clock } = harness;
      const { session } = await tokens.login('traveller');
      for (let index = 0; index < 9; index++) {
        tokens.recordUse(session.id, `198.51.100.${100 + index}`);
        if (index % 3 === 0) clock.advance(HOUR);
      }
      await flush();
      for (const list of [
        (portion: Portion) => queries().bySession(session.id, portion),
        (portion: Portion) => queries().byUser(accountRef('users', 'traveller'), portion),
      ]) {
        const whole = await list(ALL);
        const paged: Listed<SightingItem>[] = [];
        for (let at = 0; at < 9; at += 2) {
          const from = paged.at(-1)?.position ?? null;
          paged.push(...(await list({ from, backwards: false, limit: 2 })));
        }
        expect([paged.length, paged]).toEqual([9, whole]);
      }
    });
  });
});
