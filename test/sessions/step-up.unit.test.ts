import { describe, expect, it } from '@jest/globals';
import { type BanResult, type EndReason, accessAndRefresh, singleDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { type Services } from '../support/sessions.js';
import { HOUR, MINUTE, eventsOf, useSessions } from './harness.js';

const refusedAs = (code: string) => expect.objectContaining({ code });

describe.each(serviceKinds)('a session on $name', (kind) => {
  const harness = useSessions(kind, { policy: singleDevice(), tokens: accessAndRefresh() });

  it('A108: is marked as confirmed, and the mark dies with it', async () => {
    const { tokens, sessions, clock } = harness;
    const { accessToken, session } = await tokens.login('alice');
    expect(session.reauthenticatedAt).toBeNull();
    await tokens.verify(accessToken);
    clock.advance(MINUTE);
    expect((await sessions.reauthenticate(session.id, { ip: '192.0.2.1' })).reauthenticatedAt).toBe(clock.now());
    // The next request sees it, though this node remembered the session.
    expect(await tokens.verify(accessToken)).toMatchObject({ session: { reauthenticatedAt: clock.now() } });
    const next = await tokens.login('alice');
    expect(next.session.reauthenticatedAt).toBeNull();
    await expect(sessions.reauthenticate(session.id)).rejects.toEqual(refusedAs('SESSION_NOT_FOUND'));
    await expect(sessions.reauthenticate('f'.repeat(32))).rejects.toEqual(refusedAs('SESSION_NOT_FOUND'));
    await expect(sessions.reauthenticate('alice')).rejects.toEqual(refusedAs('ARGUMENT_INVALID'));
  });

  it('A57: is not there before the login is complete: a ticket opens nothing', async () => {
    const { tokens, sessions } = harness;
    const ticket = await tokens.beginLogin('pending');
    for (const token of [ticket, `ses_at_${ticket}`, `ses_at_${ticket.padEnd(96, 'A')}`]) {
      expect((await tokens.verify(token)).status).toBe('INVALID');
    }
    expect(await sessions.list('pending')).toEqual([]);
  });

  it('A70: shows new claims to the next request', async () => {
    const { tokens, operators, sessions } = harness;
    const { accessToken, refreshToken, session } = await tokens.login('bob', { claims: { roles: ['user'] } });
    await tokens.verify(accessToken);
    await sessions.updateClaims(session.id, { roles: ['admin'] });
    expect(await tokens.verify(accessToken)).toMatchObject({ session: { claims: { roles: ['admin'] } } });
    expect((await tokens.refresh(refreshToken)).session.claims).toEqual({ roles: ['admin'] });
    for (const claims of [undefined, null, [], 'x', { f: () => 1 }, { big: 'x'.repeat(4096) }]) {
      await expect(sessions.updateClaims(session.id, claims as never)).rejects.toEqual(refusedAs('ARGUMENT_INVALID'));
    }
    expect((await sessions.find(session.id))?.claims).toEqual({ roles: ['admin'] });
    await operators.kick(session.id, { by: 'admin' });
    await expect(sessions.updateClaims(session.id, {})).rejects.toEqual(refusedAs('SESSION_NOT_FOUND'));
  });
});

describe.each(serviceKinds)('an impersonation on $name', (kind) => {
  const meanwhile = new Map<string, () => Promise<unknown>>();
  const harness = useSessions(kind, {
    policy: singleDevice(),
    tokens: accessAndRefresh(),
    hooks: {
      beforeLogin: async ({ impersonator }) => {
        const happens = meanwhile.get(impersonator!);
        meanwhile.delete(impersonator!);
        await happens?.();
      },
    },
  });

  it('is marked with the operator, stands beside the sessions of the user, and ends none', async () => {
    const { tokens, operators, online } = harness;
    const own = await tokens.login('alice');
    const other = await operators.impersonate('alice', { by: 'admin', comment: 'ticket 7', claims: { roles: [] } });
    expect(other.ended).toEqual([]);
    expect(other.session).toMatchObject({ userId: 'alice', impersonator: 'admin', claims: { roles: [] } });
    expect(await tokens.verify(other.accessToken)).toMatchObject({ session: { impersonator: 'admin' } });
    expect((await tokens.verify(own.accessToken)).status).toBe('VALID');

    const again = await tokens.login('alice');
    expect(again.ended).toEqual([{ sessionId: own.session.id, reason: 'SESSION_REPLACED' }]);
    expect((await tokens.verify(other.accessToken)).status).toBe('VALID');

    const { items } = await online.events({ sessionId: other.session.id });
    expect(items).toEqual([
      expect.objectContaining({ type: 'IMPERSONATION', actor: 'admin', detail: { comment: 'ticket 7' } }),
    ]);
    expect(await operators.kickUser('alice', { by: 'boss' })).toBe(2);
    expect((await tokens.verify(other.accessToken)).status).toBe('INVALID');
  });

  it('A55: ends when a login is made in it', async () => {
    const { tokens, operators } = harness;
    const { accessToken } = await operators.impersonate('dave', { by: 'admin' });
    await tokens.login('dave', { presentedToken: accessToken });
    expect(await tokens.verify(accessToken)).toMatchObject({ status: 'INVALID', reason: 'SESSION_LOGGED_OUT' });
  });

  it.each<[string, EndReason, (services: Services, operator: string) => Promise<number | null | BanResult>]>([
    ['is banned', 'SESSION_KICKED', ({ operators }, userId) => operators.ban(userId, { by: 'boss' })],
    [
      'is suspended',
      'SESSION_KICKED',
      ({ operators }, userId) => operators.ban(userId, { by: 'boss', endSessions: false }),
    ],
    ['is kicked', 'SESSION_KICKED', ({ operators }, userId) => operators.kickUser(userId, { by: 'boss' })],
    ['changes the password', 'SESSION_REVOKED', ({ tokens }, userId) => tokens.revokeSessions(userId)],
    ['logs out everywhere', 'SESSION_LOGGED_OUT', ({ sessions }, userId) => sessions.endAll(userId)],
  ])('ends when its operator %s', async (how, reason, take) => {
    const { tokens, operators } = harness;
    const operator = `operator who ${how}`;
    const own = await tokens.login(operator);
    const user = `seen by ${operator}`;
    const opened = await operators.impersonate(user, { by: operator });
    const untouched = [await tokens.login(user), await operators.impersonate(user, { by: 'admin' })];
    const outcome = await take(harness, operator);
    const ended = typeof outcome === 'object' ? outcome?.ended : outcome;
    // Those of other users are not counted.
    expect(ended).toBe(how === 'is suspended' ? 0 : 1);
    expect((await tokens.verify(own.accessToken)).status).toBe('INVALID');
    expect(await tokens.verify(opened.accessToken)).toMatchObject({ status: 'INVALID', reason });
    await expect(tokens.refresh(opened.refreshToken)).rejects.toEqual(refusedAs(reason));
    for (const { accessToken } of untouched) expect((await tokens.verify(accessToken)).status).toBe('VALID');
    const { id: sessionId } = opened.session;
    expect(await eventsOf(harness, user)).toContainEqual(
      expect.objectContaining({ type: 'session.ended', sessionId, userId: user, reason }),
    );
  });

  it('is refused to an operator who is banned, and ended if that was while it began', async () => {
    const { sessions, operators } = harness;
    await operators.ban('banned early', { by: 'boss' });
    meanwhile.set('banned meanwhile', () => operators.ban('banned meanwhile', { by: 'boss' }));
    meanwhile.set('kicked meanwhile', () => operators.kickUser('kicked meanwhile', { by: 'boss' }));
    for (const by of ['banned early', 'banned meanwhile', 'kicked meanwhile']) {
      await expect(operators.impersonate('erin', { by })).rejects.toEqual(refusedAs('FORBIDDEN'));
    }
    expect(await sessions.list('erin')).toEqual([]);
    expect((await operators.impersonate('erin', { by: 'kicked meanwhile' })).session.userId).toBe('erin');
  });

  it('is short, and no refresh prolongs it', async () => {
    const { tokens, operators, clock } = harness;
    const { refreshToken, session } = await operators.impersonate('bob', { by: 'admin', for: '2h' });
    const start = clock.now();
    expect(session.expiresAt).toBe(start + 2 * HOUR);
    let next = { refreshToken: refreshToken! };
    for (let i = 0; i < 3; i++) {
      clock.advance(30 * MINUTE);
      const pair = await tokens.refresh(next.refreshToken);
      expect(pair.accessExpiresAt).toBeLessThanOrEqual(start + 2 * HOUR);
      expect(pair.refreshExpiresAt).toBe(start + 2 * HOUR);
      next = { refreshToken: pair.refreshToken! };
    }
    clock.advance(30 * MINUTE);
    await expect(tokens.refresh(next.refreshToken)).rejects.toEqual(refusedAs('SESSION_EXPIRED'));
    expect((await operators.impersonate('bob', { by: 'admin' })).session.expiresAt).toBe(clock.now() + 30 * MINUTE);
  });
});
