import { describe, expect, it } from '@jest/globals';
import type { DataStore } from 'lib/data.js';
import { sql } from 'lib/sql.js';
import { until } from '../support/until.js';
import { MINUTE, START, describeRepository } from './repositories.js';

const refusedFor = (argument: string) => ({
  code: 'ARGUMENT_INVALID',
  message: expect.stringMatching(new RegExp(`^${argument}`)) as unknown,
});
const GONE = { code: 'SESSION_NOT_FOUND' };

/** What the table takes as different names, though one engine or another thinks otherwise; and names that mean something. */
const NAMES = ['a', 'A', 'a ', ' a', 'á', 'a\u0301', 'ß', 'ss', '%', "'; --", '📱'].concat([
  ...['__proto__', 'constructor', 'x'.repeat(128)],
]);
const VALUES: readonly unknown[] = [
  null,
  false,
  0,
  -1.5e300,
  '',
  'text',
  '爱丽丝 📱 \u0000 \ud800 \u2028 \\ \' "',
  [],
  {},
  [[[1, null]]],
  { a: { b: [{ c: 'd' }] }, '': 1, 'a b': 2 },
];

describeRepository('data', ({ clock, node, other, newUser }) => {
  const openers: Record<string, () => Promise<[DataStore, DataStore]>> = {
    'a session': async () => {
      const { id } = await node.login(newUser());
      return [node.stores.session(id), other.stores.session(id)];
    },
    'an account': async () => {
      const account = node.account(newUser());
      return [node.stores.account(account), other.stores.account(account)];
    },
  };

  describe.each(Object.entries(openers))('of %s', (_kind, open) => {
    it('is what was written, by names as they were written', async () => {
      const [store, elsewhere] = await open();
      for (const name of NAMES) {
        expect(await store.get(name)).toBeUndefined();
        await store.set(name, { name });
      }
      for (const name of NAMES) expect(await elsewhere.get(name)).toEqual({ name });
      const entries = await elsewhere.entries();
      expect(Object.getPrototypeOf(entries)).toBeNull();
      expect(Object.keys(entries).sort()).toEqual([...NAMES].sort());
      for (const name of NAMES) expect(entries[name]).toEqual({ name });
      expect(({} as { name?: unknown }).name).toBeUndefined();
      for (const value of VALUES) {
        await store.set('value', value);
        expect(await elsewhere.get('value')).toEqual(value);
      }
    });

    it('is removed by name or as a whole', async () => {
      const [store] = await open();
      expect(await store.delete('a')).toBe(false);
      expect(await store.clear()).toBe(0);
      await Promise.all(['a', 'b', 'c'].map((name) => store.set(name, name)));
      expect(await store.delete('a')).toBe(true);
      expect(await store.delete('a')).toBe(false);
      expect({ ...(await store.entries()) }).toEqual({ b: 'b', c: 'c' });
      expect(await store.clear()).toBe(2);
      expect({ ...(await store.entries()) }).toEqual({});
    });

    it('loses nothing to 50 parallel writers of different names', async () => {
      const stores = await open();
      const names = Array.from({ length: 50 }, (_, index) => `name-${index}`);
      await Promise.all(names.map((name, index) => stores[index % 2]!.set(name, index)));
      expect({ ...(await stores[0].entries()) }).toEqual(Object.fromEntries(names.map((name, index) => [name, index])));
    });

    it('has one of the values that parallel writers of one name gave', async () => {
      const stores = await open();
      await Promise.all(Array.from({ length: 20 }, (_, index) => stores[index % 2]!.set('name', { index })));
      const entries = await stores[0].entries();
      expect(Object.keys(entries)).toEqual(['name']);
      expect((entries.name as { index: number }).index).toBeLessThan(20);
    });

    it('has room for 100 names, and no more though all come at once', async () => {
      const stores = await open();
      const results = await Promise.allSettled(
        Array.from({ length: 110 }, (_, index) => stores[index % 2]!.set(`name-${index}`, index)),
      );
      const refused = results.filter((result) => result.status === 'rejected');
      expect(refused).toHaveLength(10);
      for (const { reason } of refused) expect(reason).toMatchObject(refusedFor('name'));
      const names = Object.keys(await stores[0].entries());
      expect(names).toHaveLength(100);
      await stores[0].set(names[7]!, 'another value');
      expect(await stores[1].get(names[7]!)).toBe('another value');
      await stores[0].delete(names[7]!);
      await stores[1].set('one more', 1);
      await expect(stores[0].set('and another', 1)).rejects.toMatchObject(refusedFor('name'));
    });

    it('A95, A97, A101: refuses what it cannot keep, and nothing changes', async () => {
      const [store] = await open();
      await store.set('kept', 'value');
      const circle: Record<string, unknown> = {};
      circle.circle = circle;
      const failing = {
        toJSON: () => {
          throw new Error('of the value');
        },
      };
      const values: unknown[] = [
        ...[undefined, () => 1, Symbol('s'), 1n, NaN, Infinity, circle, failing, new Map([[1, 2]]), new Set([1])],
        ...[[undefined], { f: () => 1 }, { n: [1n] }, JSON.parse('{"a":{"__proto__":1}}'), { constructor: 1 }],
        ...[{ a: { prototype: 1 } }, 'x'.repeat(16_383), '爱'.repeat(6000), { deep: 'x'.repeat(20_000) }],
      ];
      for (const value of values) await expect(store.set('kept', value)).rejects.toMatchObject(refusedFor('value'));
      const names = [undefined, null, '', 5, {}, ['a'], 'x'.repeat(129), 'a\0', 'a\nb', '\u001b', 'a\u2028', '\ud800'];
      for (const name of names as string[]) {
        await expect(store.set(name, 1)).rejects.toMatchObject(refusedFor('name'));
        await expect(store.get(name)).rejects.toMatchObject(refusedFor('name'));
        await expect(store.delete(name)).rejects.toMatchObject(refusedFor('name'));
      }
      expect({ ...(await store.entries()) }).toEqual({ kept: 'value' });
      const longest = 'x'.repeat(16_382);
      await store.set('kept', longest);
      expect(await store.get('kept')).toBe(longest);
    });

    it('A15: text that no version of the library wrote is no value, and is in no error', async () => {
      const [store] = await open();
      await store.set('good', 1);
      await store.set('damaged', 'before');
      const { data } = node.database.tables;
      await node.write(sql`UPDATE ${data} SET value = 'damage{' WHERE name = 'damaged'`);
      expect(await store.get('damaged')).toBeUndefined();
      expect({ ...(await store.entries()) }).toEqual({ good: 1 });
      await store.set('damaged', 'after');
      expect(await store.get('damaged')).toBe('after');
    });
  });

  it('of accounts is shared by their sessions and outlives them; of sessions is their own', async () => {
    const user = newUser();
    const [one, two] = [await node.login(user), await node.login(user)];
    const account = node.stores.account(node.account(user));
    await node.stores.session(one.id).set('name', 'one');
    await node.stores.session(two.id).set('name', 'two');
    await account.set('name', 'account');
    await node.stores.account(node.account(newUser())).set('name', 'of another');
    await node.sessions.endSession(one.id, { reason: 'SESSION_LOGGED_OUT', by: user });
    expect(await node.stores.session(one.id).get('name')).toBeUndefined();
    expect(await node.stores.session(two.id).get('name')).toBe('two');
    await node.endAll(user, { reason: 'SESSION_KICKED', by: 'root' });
    expect(await account.get('name')).toBe('account');
    expect(await node.countData([one.id, two.id])).toBe(0);
  });

  it('of a replaced session is kept for reading where that is asked for, and of no other', async () => {
    const user = newUser();
    const overdue = await node.login(user, { replaces: true, lifeMs: MINUTE });
    const replaced = await node.login(user);
    for (const { id } of [replaced, overdue]) await node.stores.session(id).set('draft', id);
    clock.advance(2 * MINUTE);
    const next = await node.tryLogin(user, { replaces: true, keepReplacedData: true });
    expect(next.ended).toHaveLength(2);
    const kept = node.stores.session(replaced.id);
    expect(await kept.get('draft')).toBe(replaced.id);
    expect({ ...(await kept.entries()) }).toEqual({ draft: replaced.id });
    expect(await node.countData([overdue.id])).toBe(0);
    for (const write of [kept.set('draft', 1), kept.delete('draft'), kept.clear()]) {
      await expect(write).rejects.toMatchObject(GONE);
    }
    expect(await kept.get('draft')).toBe(replaced.id);

    await node.tryLogin(user, { replaces: true });
    const [last] = await node.sessions.listLiveSessions(node.account(user));
    await node.stores.session(last!.id).set('draft', 1);
    await node.tryLogin(user, { replaces: true });
    expect(await node.stores.session(last!.id).entries()).toEqual(Object.create(null));
  });

  it('G7: is not written to a session that has ended, has run out, or is not of the realm', async () => {
    const user = newUser();
    const [ended, overdue, live] = [
      await node.login(user),
      await node.login(user, { lifeMs: MINUTE }),
      await node.login(user),
    ];
    for (const { id } of [ended, overdue, live]) await node.stores.session(id).set('name', 'before');
    await node.sessions.endSession(ended.id, { reason: 'SESSION_KICKED', by: 'root' });
    clock.advance(MINUTE);
    const foreign = node.inRealm('admins').stores.session(live.id);
    const nobodys = node.stores.session('f'.repeat(32));
    const closed = [node.stores.session(ended.id), node.stores.session(overdue.id), foreign, nobodys];
    for (const store of closed) {
      await expect(store.set('name', 'after')).rejects.toMatchObject(GONE);
      await expect(store.delete('name')).rejects.toMatchObject(GONE);
      await expect(store.clear()).rejects.toMatchObject(GONE);
    }
    expect(await foreign.get('name')).toBeUndefined();
    expect(Object.keys(await foreign.entries())).toEqual([]);
    expect(await node.stores.session(live.id).get('name')).toBe('before');
    expect(await node.countData([ended.id, 'f'.repeat(32)])).toBe(0);
    expect(await node.record(ended.id)).toMatchObject({ end: { reason: 'SESSION_KICKED' }, version: 2 });
  });

  it('G7: leaves no row behind an end, whatever ends the session while it is written', async () => {
    const user = newUser();
    const endings: ((id: string) => Promise<unknown>)[] = [
      (id) => other.sessions.endSession(id, { reason: 'SESSION_LOGGED_OUT', by: user }),
      () => other.endAll(user),
      () => other.tryLogin(user, { replaces: true }),
      (id) =>
        other.sessions.changeSession(id, () => ({ result: null, end: { reason: 'REFRESH_REUSED', by: 'system' } })),
    ];
    for (let round = 0; round < 24; round++) {
      const { id } = await node.login(user);
      const write = (index: number) =>
        (index % 2 ? node : other).stores
          .session(id)
          .set(`name-${index}`, index)
          .then(
            () => 'written',
            (error: { code: string }) => error.code,
          );
      const first = Array.from({ length: 4 }, (_, index) => write(index));
      const ending = endings[round % endings.length]!(id);
      const outcomes = await Promise.all([...first, ...Array.from({ length: 6 }, (_, index) => write(4 + index))]);
      await ending;
      expect(outcomes.filter((outcome) => outcome !== 'written' && outcome !== 'SESSION_NOT_FOUND')).toEqual([]);
      expect((await node.record(id)).end).not.toBeNull();
      expect(await node.countData([id])).toBe(0);
    }
  });

  it('does not keep a session from ending, or its user from logging in, however much is written', async () => {
    const user = newUser();
    const { id } = await node.login(user);
    let written = 0;
    let isOver = false;
    const writers = [node, other].flatMap(({ stores }) =>
      Array.from({ length: 12 }, async (_, writer) => {
        const store = writer % 2 ? stores.session(id) : stores.account(node.account(user));
        while (!isOver) {
          await store.set(`name-${writer}`, written).catch(() => new Promise((resolve) => setTimeout(resolve, 1)));
          written++;
        }
      }),
    );
    await until(() => written > 50);
    const before = written;
    for (let round = 0; round < 5; round++) {
      await node.login(user);
      await node.sessions.changeSession(id, () => ({ result: null, patch: { reauthenticatedAt: START } }));
    }
    await node.sessions.endSession(id, { reason: 'SESSION_LOGGED_OUT', by: user });
    // Who waits for a lock, or for a turn, lets each of the 24 writers go first once or twice; these were 11 waits.
    expect(written - before).toBeLessThan(11 * 24 * 3);
    isOver = true;
    await Promise.all(writers);
    expect(await node.countData([id])).toBe(0);
  });
});
