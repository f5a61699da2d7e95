import { describe, expect, it } from '@jest/globals';
import { singleDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { startSessions } from '../support/sessions.js';
import { useSessions } from './harness.js';

const notFound = expect.objectContaining({ code: 'SESSION_NOT_FOUND' });
const invalid = (name: string) =>
  expect.objectContaining({ code: 'ARGUMENT_INVALID', message: expect.stringMatching(new RegExp(`^${name}`)) });

describe.each(serviceKinds)('data on $name', (kind) => {
  const harness = useSessions(kind, { policy: singleDevice() });
  const login = async (user: string) => (await harness.tokens.login(user)).session.id;

  it('of a session is whatever JSON can hold, under any name', async () => {
    const data = harness.sessions.data(await login('alice'));
    const values = {
      text: '爱\u2028🙂',
      'a b': [1, null, { x: 'y' }],
      A: true,
      a: false,
      __proto_: 0,
      constructor: '',
    };
    for (const [name, value] of Object.entries(values)) await data.set(name, value);
    expect({ ...(await data.entries()) }).toEqual(values);
    for (const [name, value] of Object.entries(values)) expect(await data.get(name)).toEqual(value);
    expect(await data.get('nothing')).toBeUndefined();
    await data.set('text', 'another');
    expect(await data.get('text')).toBe('another');
    expect(await data.delete('text')).toBe(true);
    expect(await data.delete('text')).toBe(false);
    expect(await data.clear()).toBe(5);
    expect({ ...(await data.entries()) }).toEqual({});
  });

  it('of an account is shared by its sessions, and outlives them', async () => {
    const { operators, sessions } = harness;
    await sessions.accountData('nobody yet').set('theme', 'dark');
    const id = await login('shared');
    await sessions.accountData('shared').set('theme', 'dark');
    await operators.kick(id, { by: 'admin' });
    expect(await sessions.accountData('shared').get('theme')).toBe('dark');
    expect(await sessions.accountData('Shared').get('theme')).toBeUndefined();
  });

  it('of 50 parallel writers of different names loses nothing', async () => {
    const { sessions } = harness;
    const id = await login('writers');
    const names = Array.from({ length: 50 }, (_, index) => `name-${index}`);
    for (const data of [sessions.data(id), sessions.accountData('writers')]) {
      await Promise.all(names.map((name, index) => data.set(name, index)));
      expect({ ...(await data.entries()) }).toEqual(Object.fromEntries(names.map((name, index) => [name, index])));
    }
  });

  it('is gone with its session, and a write after the end is refused and revives nothing', async () => {
    const { tokens, sessions } = harness;
    const { accessToken, session } = await tokens.login('ended');
    const data = sessions.data(session.id);
    await data.set('cart', ['apples']);
    await tokens.logout(accessToken);
    for (const write of [data.set('cart', []), data.delete('cart'), data.clear()])
      await expect(write).rejects.toEqual(notFound);
    expect(await data.get('cart')).toBeUndefined();
    expect({ ...(await data.entries()) }).toEqual({});
    expect((await tokens.verify(accessToken)).status).toBe('INVALID');
  });

  it('leaves no row where writes race the end', async () => {
    const { operators, sessions } = harness;
    for (let round = 0; round < 15; round++) {
      const id = await login(`race-${round}`);
      const data = sessions.data(id);
      const writes = Array.from({ length: 8 }, (_, index) =>
        data.set(`name-${index}`, index).catch((error: unknown) => error),
      );
      await operators.kick(id, { by: 'admin' });
      for (const outcome of await Promise.all(writes)) if (outcome !== undefined) expect(outcome).toEqual(notFound);
      expect({ ...(await data.entries()) }).toEqual({});
    }
  });

  it('is refused once the session has run out, though nobody has ended it yet', async () => {
    const { sessions, clock } = harness;
    const data = sessions.data(await login('overdue'));
    await data.set('a', 1);
    clock.advance(3 * 3_600_000);
    await expect(data.set('b', 2)).rejects.toEqual(notFound);
  });

  it('of a replaced login is removed, or kept for whoever knows the id of its session', async () => {
    const { sessions } = harness;
    const cleared = await login('replaced');
    await sessions.data(cleared).set('draft', 'text');
    await login('replaced');
    expect(await sessions.data(cleared).get('draft')).toBeUndefined();

    const { database, clock } = harness;
    const keeper = await startSessions({ database: database.options, clock, onReplace: 'keep', realm: 'keeper' });
    const old = await keeper.tokens.login('replaced');
    await keeper.sessions.data(old.session.id).set('draft', 'text');
    await keeper.tokens.login('replaced');
    expect(await keeper.sessions.data(old.session.id).get('draft')).toBe('text');
    await expect(keeper.sessions.data(old.session.id).set('draft', 'x')).rejects.toEqual(notFound);
    // Another realm has no such session, whatever its id.
    expect(await sessions.data(old.session.id).get('draft')).toBeUndefined();
    expect({ ...(await sessions.data(old.session.id).entries()) }).toEqual({});
    // Only a replacement leaves something behind.
    const kicked = await keeper.tokens.login('kicked');
    await keeper.sessions.data(kicked.session.id).set('draft', 'text');
    await keeper.operators.kickUser('kicked', { by: 'admin' });
    expect(await keeper.sessions.data(kicked.session.id).get('draft')).toBeUndefined();
    await keeper.close();
  });

  it('has its limits, and says so', async () => {
    const { sessions } = harness;
    const data = sessions.data(await login('limits'));
    await data.set('x'.repeat(128), 'x'.repeat(16_382));
    for (const name of ['', 'x'.repeat(129), 'a\u0000b', 'a\nb', '\ud800', 7, null, {}]) {
      await expect(data.set(name as string, 1)).rejects.toEqual(invalid('name'));
      await expect(data.get(name as string)).rejects.toEqual(invalid('name'));
    }
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const values = [
      'x'.repeat(16_383),
      undefined,
      () => 1,
      Symbol('x'),
      1n,
      cycle,
      { f: () => 1 },
      JSON.parse('{"__proto__":1}'),
    ];
    for (const value of values) await expect(data.set('a', value)).rejects.toEqual(invalid('value'));
    for (let index = 1; index < 100; index++) await data.set(`n${index}`, 1);
    await expect(data.set('one too many', 1)).rejects.toEqual(invalid('name'));
    await data.set('n1', 2);
    expect(Object.keys(await data.entries())).toHaveLength(100);
  });

  it('needs an owner that can be one', () => {
    expect(() => harness.sessions.data('1')).toThrow(invalid('sessionId'));
    expect(() => harness.sessions.accountData('')).toThrow(invalid('userId'));
  });
});
