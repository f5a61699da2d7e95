import { describe, expect, it } from '@jest/globals';
import { accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { HOUR, MINUTE, eventsOf, useSessions } from './harness.js';

const disabled = { status: 'INVALID', reason: 'ACCOUNT_DISABLED' };
const refusedAs = (code: string) => expect.objectContaining({ code });

describe.each(serviceKinds)('a ban on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), tokens: accessAndRefresh() });

  it('A68: from everything ends all sessions, with reason and actor, and refuses logins and refreshes', async () => {
    const { tokens, sessions, operators, clock } = harness;
    const [one, two] = [await tokens.login('mallory'), await tokens.login('mallory')];
    const { ban, ended } = await operators.ban('mallory', { by: 'admin', comment: 'spam' });
    expect(ban).toEqual({ service: null, level: 1, comment: 'spam', until: null, at: clock.now(), by: 'admin' });
    expect(ended).toBe(2);
    for (const { accessToken, refreshToken, session } of [one, two]) {
      expect(await tokens.verify(accessToken)).toMatchObject(disabled);
      await expect(tokens.refresh(refreshToken)).rejects.toEqual(refusedAs('ACCOUNT_DISABLED'));
      expect((await sessions.find(session.id))?.end).toMatchObject({ reason: 'ACCOUNT_DISABLED', by: 'admin' });
    }
    await expect(tokens.login('mallory')).rejects.toEqual(refusedAs('ACCOUNT_DISABLED'));
    await expect(operators.impersonate('mallory', { by: 'admin' })).rejects.toEqual(refusedAs('ACCOUNT_DISABLED'));
    expect((await eventsOf(harness, 'mallory')).map(({ type }) => type).slice(2)).toEqual([
      'account.banned',
      'session.ended',
      'session.ended',
    ]);

    expect(await operators.liftBan('mallory', { by: 'admin' })).toBe(true);
    expect(await operators.liftBan('mallory', { by: 'admin' })).toBe(false);
    expect((await tokens.verify((await tokens.login('mallory')).accessToken)).status).toBe('VALID');
  });

  it('may suspend sessions instead of ending them', async () => {
    const { tokens, sessions, operators, clock } = harness;
    const { accessToken, refreshToken, session } = await tokens.login('suspended');
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    const ban = { by: 'admin', until: clock.now() + MINUTE, endSessions: false };
    expect((await operators.ban('suspended', ban)).ended).toBe(0);
    expect(await tokens.verify(accessToken)).toEqual(disabled);
    await expect(tokens.refresh(refreshToken)).rejects.toEqual(refusedAs('ACCOUNT_DISABLED'));
    clock.advance(MINUTE);
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    await operators.ban('suspended', { by: 'admin', endSessions: false });
    expect(await tokens.verify(accessToken)).toEqual(disabled);
    await operators.liftBan('suspended', { by: 'admin' });
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    expect((await sessions.find(session.id))?.end).toBeNull();
  });

  it('from a service is told to every session, and ends none', async () => {
    const { tokens, operators, clock } = harness;
    const { accessToken } = await tokens.login('troll');
    await operators.ban('troll', { service: 'comment', level: 2, by: 'admin', until: new Date(clock.now() + HOUR) });
    await operators.ban('troll', { service: 'upload', by: 'admin' });
    const later = await tokens.login('troll');
    for (const token of [accessToken, later.accessToken]) {
      expect(await tokens.verify(token)).toMatchObject({
        status: 'VALID',
        session: {
          bans: [
            expect.objectContaining({ service: 'comment', level: 2 }),
            expect.objectContaining({ service: 'upload' }),
          ],
        },
      });
    }
    await operators.ban('troll', { service: 'upload', level: 5, by: 'admin' });
    expect((await operators.bans('troll')).map(({ service, level }) => [service, level])).toEqual([
      ['comment', 2],
      ['upload', 5],
    ]);
    clock.advance(HOUR);
    expect((await operators.bans('troll')).map(({ service }) => service)).toEqual(['upload']);
    expect(await operators.liftBan('troll', { service: 'comment', by: 'admin' })).toBe(false);
    expect(await operators.liftBan('troll', { service: 'upload', by: 'admin' })).toBe(true);
  });
});
