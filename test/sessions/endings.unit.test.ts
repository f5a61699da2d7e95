import { describe, expect, it } from '@jest/globals';
import { type LoginOptions, accessAndRefresh, multiDevice, singleDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { until } from '../support/until.js';
import { HOUR, MINUTE, useSessions } from './harness.js';

const refusedAs = (code: string) => expect.objectContaining({ code });
const invalid = (reason: string) => expect.objectContaining({ status: 'INVALID', reason });

describe.each(serviceKinds)('the end of a session on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), tokens: accessAndRefresh() });

  it('A63: logout ends access and refresh in one step, whichever of the two is presented', async () => {
    const { tokens } = harness;
    for (const presented of ['accessToken', 'refreshToken'] as const) {
      const login = await tokens.login('both');
      expect(await tokens.logout(login[presented])).toBe(true);
      expect(await tokens.verify(login.accessToken)).toEqual(invalid('SESSION_LOGGED_OUT'));
      await expect(tokens.refresh(login.refreshToken)).rejects.toEqual(refusedAs('SESSION_LOGGED_OUT'));
    }
  });

  it('A64, A65: logout is idempotent, and works with an expired or a superseded token', async () => {
    const { tokens, clock } = harness;
    const first = await tokens.login('late');
    const next = await tokens.refresh(first.refreshToken);
    clock.advance(HOUR);
    expect(await tokens.verify(next.accessToken)).toEqual(invalid('TOKEN_EXPIRED'));
    expect(await tokens.logout(first.accessToken)).toBe(true);
    for (const token of [first.accessToken, first.refreshToken, next.accessToken, next.refreshToken]) {
      expect(await tokens.logout(token)).toBe(false);
    }
    await expect(tokens.refresh(next.refreshToken)).rejects.toEqual(refusedAs('SESSION_LOGGED_OUT'));
    for (const token of ['', 'x', null, undefined, 7, {}, 'x'.repeat(20_000), `${next.accessToken}x`]) {
      expect(await tokens.logout(token)).toBe(false);
    }
  });

  it('A55, A56: a login ends the session that it is made in, by either token, whoever logs in', async () => {
    const { tokens } = harness;
    for (const presented of ['accessToken', 'refreshToken'] as const) {
      const before = await tokens.login('again');
      const after = await tokens.login('again', { presentedToken: before[presented] });
      expect(after.ended).toEqual([{ sessionId: before.session.id, reason: 'SESSION_REPLACED' }]);
      expect((await tokens.verify(before.accessToken)).status).toBe('INVALID');
      const foreign = await tokens.login('another', { presentedToken: after[presented] });
      expect(await tokens.verify(after.accessToken)).toEqual(invalid('SESSION_LOGGED_OUT'));
      // What is no token of ours changes nothing.
      for (const presentedToken of ['', 'nonsense', `${foreign[presented]}x`, null]) {
        await tokens.login('stranger', { presentedToken });
      }
      expect((await tokens.verify(foreign.accessToken)).status).toBe('VALID');
    }
  });

  it('A69, G11: a change of credentials keeps one session, and no login that was proved before lands after it', async () => {
    const { tokens, clock } = harness;
    const [kept, other] = [await tokens.login('changer'), await tokens.login('changer')];
    const provedAt = tokens.now();
    const ticket = await tokens.beginLogin('changer');
    clock.advance(MINUTE);
    expect(await tokens.revokeSessions('changer', { except: kept.session.id })).toBe(1);
    expect(await tokens.verify(other.accessToken)).toEqual(invalid('SESSION_REVOKED'));
    await expect(tokens.refresh(other.refreshToken)).rejects.toEqual(refusedAs('SESSION_REVOKED'));
    for (const options of [
      { authenticatedAt: provedAt },
      { authenticatedAt: clock.now() },
      { ticket },
    ] as LoginOptions[]) {
      await expect(tokens.login('changer', options)).rejects.toEqual(refusedAs('SESSION_REVOKED'));
    }
    // The session in which the change was made counts as proved by it.
    const next = await tokens.refresh(kept.refreshToken);
    expect(next.session.authenticatedAt).toBe(clock.now());
    clock.advance(1);
    const after = await tokens.login('changer', {
      authenticatedAt: tokens.now(),
      ticket: await tokens.beginLogin('changer'),
    });
    expect((await tokens.verify(after.accessToken)).status).toBe('VALID');
    expect((await tokens.verify(next.accessToken)).status).toBe('VALID');
  });

  it('G11: after the clock was set back a login goes by its ticket, and is told to take one', async () => {
    const { tokens, clock } = harness;
    await tokens.revokeSessions('set back');
    clock.advance(-MINUTE);
    const cause = expect.objectContaining({ message: expect.stringMatching(/clock .* set back .*beginLogin\(\)/) });
    await expect(tokens.login('set back', { authenticatedAt: tokens.now() })).rejects.toMatchObject({
      code: 'SESSION_REVOKED',
      cause,
    });
    const ticket = await tokens.beginLogin('set back');
    const { refreshToken } = await tokens.login('set back', { authenticatedAt: tokens.now(), ticket });
    await tokens.refresh(refreshToken);
    clock.advance(MINUTE + 1);
    await tokens.login('set back', { authenticatedAt: tokens.now() });
  });

  it('A67: kick one, others, all, and the user; each tells why in one call', async () => {
    const { tokens, sessions, operators, clock } = harness;
    const logins = [];
    for (let i = 0; i < 4; i++) logins.push(await tokens.login('many', { deviceName: `device ${i}` }));
    const [a, b, c, d] = logins as [(typeof logins)[0], (typeof logins)[0], (typeof logins)[0], (typeof logins)[0]];
    await operators.kick(a.session.id, { by: 'admin' });
    expect(await sessions.explainEnd(a.session.id)).toEqual({
      reason: 'SESSION_KICKED',
      at: clock.now(),
      by: 'admin',
      replacedBy: null,
      replacement: null,
      message: expect.stringContaining('administrator'),
    });
    expect(await sessions.explainEnd(b.session.id)).toBeNull();
    expect(await sessions.endOthers('many', b.session.id)).toBe(2);
    expect(await tokens.verify(c.accessToken)).toEqual(invalid('SESSION_LOGGED_OUT'));
    expect(await operators.kickUser('many', { by: 'admin' })).toBe(1);
    expect(await tokens.verify(b.accessToken)).toEqual(invalid('SESSION_KICKED'));
    expect(await sessions.explainEnd(d.session.id)).toMatchObject({ reason: 'SESSION_LOGGED_OUT', by: 'many' });
    expect(await sessions.explainEnd('f'.repeat(32))).toBeNull();
    await expect(sessions.explainEnd('1')).rejects.toEqual(refusedAs('ARGUMENT_INVALID'));
  });

  it('A71: of a replaced session names the device that took its place, for a bounded time', async () => {
    const { tokens, clock, another } = harness;
    const single = await another({ policy: singleDevice(), realm: 'single' });
    const phone = await single.tokens.login('one', { deviceType: 'phone' });
    await single.tokens.login('one', { deviceType: 'laptop', deviceName: 'work' });
    const replacedBy = { deviceType: 'laptop', deviceName: 'work', at: clock.now() };
    expect(await single.tokens.verify(phone.accessToken)).toMatchObject({ reason: 'SESSION_REPLACED', replacedBy });
    expect(await single.sessions.explainEnd(phone.session.id)).toMatchObject({ replacement: replacedBy });
    clock.advance(7 * 24 * HOUR - 1);
    expect(await single.tokens.verify(phone.accessToken)).toMatchObject({ reason: 'SESSION_REPLACED' });
    clock.advance(1);
    expect(await single.tokens.verify(phone.accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    await single.close();
    expect((await tokens.verify(phone.accessToken)).status).toBe('INVALID');
  });

  it('A89: introspection says nothing of a token that is not good, and does nothing', async () => {
    const { tokens, operators, sessions, clock } = harness;
    const { accessToken, refreshToken, session, accessExpiresAt } = await tokens.login('looked at');
    expect(await tokens.introspect(accessToken)).toEqual({
      active: true,
      token_type: 'Bearer',
      sub: 'looked at',
      sid: session.id,
      iat: Math.floor(clock.now() / 1000),
      exp: Math.floor(accessExpiresAt / 1000),
    });
    clock.advance(MINUTE);
    await tokens.introspect(accessToken);
    expect((await sessions.list('looked at'))[0]?.lastSeenAt).toBe(session.createdAt);
    await operators.kickUser('looked at', { by: 'admin' });
    for (const token of [accessToken, refreshToken, `${accessToken}x`, '', null, 7]) {
      expect(await tokens.introspect(token)).toEqual({ active: false });
    }
  });

  it('A72: is told to channels that outlive a request', async () => {
    const { tokens, operators, sessions } = harness;
    const [watched, left] = [await tokens.login('watched'), await tokens.login('watched')];
    const heard: unknown[] = [];
    sessions.watch(watched.session.id, () => {
      throw new Error('a listener of the application');
    });
    sessions.watch(watched.session.id, (end) => heard.push(end?.reason));
    sessions.watch(left.session.id, () => heard.push('left'))();
    sessions.watch('f'.repeat(32), (end) => heard.push(end));
    await operators.kickUser('watched', { by: 'admin' });
    await until(() => heard.length >= 2);
    expect(heard.sort()).toEqual(['SESSION_KICKED', null].sort());
    expect(() => sessions.watch(watched.session.id, null as never)).toThrow(refusedAs('ARGUMENT_INVALID'));
  });

  it('A11: is told to those who watch a token, as is everything else that makes it bad', async () => {
    const { tokens, sessions, operators, clock } = harness;
    const heard: Record<string, unknown> = {};
    const [kicked, suspended, renewed, left, old] = await Promise.all(
      ['kicked', 'suspended', 'renewed', 'left', 'old'].map((userId) => tokens.login(userId)),
    );
    for (const [name, { accessToken }] of Object.entries({
      kicked: kicked!,
      suspended: suspended!,
      renewed: renewed!,
      old: old!,
    })) {
      tokens.watch(accessToken, ({ reason }) => (heard[name] = reason));
    }
    tokens.watch(left!.accessToken, () => (heard.left = true))();
    tokens.watch('no token', ({ reason }) => (heard.none = reason));
    await operators.kickUser('kicked', { by: 'admin' });
    await operators.ban('suspended', { by: 'admin', endSessions: false });
    const { accessToken, session } = await tokens.refresh(renewed!.refreshToken);
    await tokens.verify(accessToken);
    await until(() => 'kicked' in heard && 'suspended' in heard && 'none' in heard);
    expect(heard).toEqual({ kicked: 'SESSION_KICKED', suspended: 'ACCOUNT_DISABLED', none: 'TOKEN_INVALID' });
    // The grace of the token that was renewed, and then the life of the others.
    clock.advance(60_000);
    await until(() => 'renewed' in heard);
    expect(await sessions.find(session.id)).toMatchObject({ end: null });
    expect('old' in heard).toBe(false);
    clock.advance(HOUR);
    await until(() => 'old' in heard);
    expect(heard).toMatchObject({ renewed: 'TOKEN_EXPIRED', old: 'TOKEN_EXPIRED' });
    expect('left' in heard).toBe(false);
    expect(() => tokens.watch(5 as never, () => undefined)).toThrow(refusedAs('ARGUMENT_INVALID'));
    expect(() => tokens.watch(accessToken, null as never)).toThrow(refusedAs('ARGUMENT_INVALID'));
  });

  it('A90: a session that is refreshed too often has to wait, and loses nothing', async () => {
    const { tokens, clock } = harness;
    let refreshToken = (await tokens.login('eager')).refreshToken;
    for (let i = 0; i < 8; i++) refreshToken = (await tokens.refresh(refreshToken)).refreshToken;
    await expect(tokens.refresh(refreshToken)).rejects.toEqual(refusedAs('TOO_MANY_REFRESHES'));
    clock.advance(30_000);
    const { accessToken } = await tokens.refresh(refreshToken);
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
  });
});
