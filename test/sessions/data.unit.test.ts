import { describe, expect, it } from '@jest/globals';
import { singleDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { useSessions } from './harness.js';

const notFound = expect.objectContaining({ code: 'SESSION_NOT_FOUND' });
const invalid = (name: string) =>
  expect.objectContaining({ code: 'ARGUMENT_INVALID', message: expect.stringMatching(new RegExp(`^${name}`)) });

describe.each(serviceKinds)('data on $name', (kind) => {
  const harness = useSessions(kind, { policy: singleDevice() });
  const login = async (user: string) => (await harness.tokens.login(user)).session.id;

  it('of an account is shared by its sessions, and outlives them', async () => {
    const { operators, sessions } = harness;
    await sessions.accountData('nobody yet').set('theme', 'dark');
    const id = await login('shared');
    await sessions.accountData('shared').set('theme', 'dark');
    await operators.kick(id, { by: 'admin' });
    expect(await sessions.accountData('shared').get('theme')).toBe('dark');
    expect(await sessions.accountData('Shared').get('theme')).toBeUndefined();
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

    const keeper = await harness.another({ onReplace: 'keep', realm: 'keeper' });
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

  it('needs an owner that can be one', () => {
    expect(() => harness.sessions.data('1')).toThrow(invalid('sessionId'));
    expect(() => harness.sessions.accountData('')).toThrow(invalid('userId'));
  });
});
