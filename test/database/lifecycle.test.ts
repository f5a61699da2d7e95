import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  type LoginOptions,
  type LoginResult,
  type PolicyOption,
  fixed,
  multiDevice,
  singleDevice,
} from 'nestjs-latchkey';
import { databaseKinds, serviceKinds } from '../support/databases.js';
import { DAY, HOUR, MINUTE, useSessions } from '../sessions/harness.js';

const START = Date.UTC(2026, 0, 15, 12);
const INVALID = { code: 'ARGUMENT_INVALID' };

describe.each(databaseKinds)('a session on $name', (kind) => {
  const node = useSessions(kind, {
    tokens: fixed({ ttl: '2h', maxAge: '30d' }),
    policy: (context) => (typeof policy === 'function' ? policy(context) : policy),
    timing: { sweep: '1h', activityFlush: '1h' },
  });
  const { clock } = node;
  let policy: PolicyOption;
  beforeEach(() => {
    policy = multiDevice();
  });
  let users = 0;
  const newUser = () => `user-${++users}`;
  const login = (userId: string, options?: LoginOptions) => node.tokens.login(userId, options);
  const reasonOf = async (login: LoginResult) => {
    const result = await node.tokens.verify(login.accessToken);
    return result.status === 'INVALID' ? result.reason : result.status;
  };

  it('is what the login said, and is kept through every request', async () => {
    const user = newUser();
    const options = {
      userName: 'Alice Ärmel',
      loginMethod: 'password',
      amr: ['pwd', 'otp'],
      deviceType: 'Phone',
      deviceId: 'device-1',
      deviceName: '爱丽丝的手机 📱',
      ip: '2001:db8::1',
      userAgent: 'Mozilla/5.0\r\n\u001b[31m (evil)',
      claims: { roles: ['admin'], nested: { n: 1 } },
      persistent: true,
      authenticatedAt: START - MINUTE,
    };
    const life = { maxAge: '20d', idleTimeout: '4h' } as const;
    const { accessToken, accessExpiresAt, expiresIn, session, ended } = await login(user, { ...options, life });
    expect({ accessExpiresAt: accessExpiresAt - clock.now(), expiresIn, ended }).toEqual({
      accessExpiresAt: 2 * HOUR,
      expiresIn: 7200,
      ended: [],
    });
    const expected = {
      ...options,
      id: session.id,
      userId: user,
      deviceType: 'phone',
      userAgent: 'Mozilla/5.0   [31m (evil)',
      createdAt: clock.now(),
      reauthenticatedAt: null,
      impersonator: null,
      bans: [],
      expiresAt: clock.now() + 20 * DAY,
      lastSeenAt: clock.now(),
      idleMs: 4 * HOUR,
      refreshMs: null,
      lastIp: null,
      end: null,
    };
    expect(session).toEqual(expected);
    const verified = await node.tokens.verify(accessToken);
    // What a request's session has is what every copy has.
    const { ip, userAgent, lastIp, refreshMs, end, ...ofRequests } = expected;
    expect(verified).toEqual({ status: 'VALID', session: ofRequests });
    expect([ip, userAgent, lastIp, refreshMs, end]).toEqual([options.ip, session.userAgent, null, null, null]);
    expect(await node.sessions.find(session.id)).toEqual(expected);
    expect(JSON.stringify(verified)).not.toContain('ash');
  });

  it('ends when a later login takes its place, and tells its holder which device that is', async () => {
    policy = singleDevice();
    const user = newUser();
    const phone = await login(user, { deviceType: 'phone' });
    clock.advance(MINUTE);
    const laptop = await login(user, { deviceType: 'laptop', deviceName: 'Büro 💻' });
    expect(laptop.ended).toEqual([{ sessionId: phone.session.id, reason: 'SESSION_REPLACED' }]);
    expect(await node.tokens.verify(phone.accessToken)).toEqual({
      status: 'INVALID',
      reason: 'SESSION_REPLACED',
      endedAt: clock.now(),
      replacedBy: { deviceType: 'laptop', deviceName: 'Büro 💻', at: clock.now() },
    });
    expect(await reasonOf(laptop)).toBe('VALID');
  });

  it.each([
    ['NUL and newlines', 'a\0b\r\nc'],
    ['a lone surrogate', 'x\ud800'],
    ['wildcards and quotes', `%_'"\\;--`],
    ['1,024 characters', '爱'.repeat(1024)],
    ['a trailing space', 'alice '],
    ['an upper case letter', 'Alice'],
  ])('A91, A94: belongs to a user whose id holds %s', async (_name, user) => {
    const one = await login(user);
    const neighbour = user.trim().toLowerCase();
    await login(neighbour === user ? `${user.slice(0, -1)}z` : neighbour);
    expect((await node.sessions.list(user)).map((session) => [session.id, session.userId])).toEqual([
      [one.session.id, user],
    ]);
    expect(await node.operators.kickUser(user, { by: user })).toBe(1);
    expect(await reasonOf(one)).toBe('SESSION_KICKED');
  });

  it('tells the holder why it ended, the same before and after the sweeper has been there', async () => {
    const user = newUser();
    const one = await login(user);
    clock.advance(3 * HOUR);
    expect(await reasonOf(one)).toBe('TOKEN_EXPIRED');
    expect(await node.tokens.logout(one.accessToken)).toBe(false);
    expect(await node.operators.kickUser(user, { by: 'admin' })).toBe(0);
    expect(await reasonOf(one)).toBe('TOKEN_EXPIRED');
    const found = await node.sessions.find(one.session.id);
    expect(found?.end).toEqual({ reason: 'TOKEN_EXPIRED', at: one.accessExpiresAt, by: 'system', replacedBy: null });
  });

  it('A67, A105: one session ends for its owner or an operator, and nobody else', async () => {
    const [user, thief] = [newUser(), newUser()];
    const [one, two] = [await login(user), await login(user)];
    expect(await node.sessions.end(thief, one.session.id)).toBe(false);
    expect(await node.sessions.end(user, 'f'.repeat(32))).toBe(false);
    expect(await node.sessions.end(user, `${one.session.id}' OR '1'='1`)).toBe(false);
    expect(await reasonOf(one)).toBe('VALID');
    expect(await node.sessions.end(user, one.session.id)).toBe(true);
    expect(await reasonOf(one)).toBe('SESSION_LOGGED_OUT');
    expect(await node.operators.kick(two.session.id, { by: 'root' })).toBe(true);
    expect(await node.operators.kick(two.session.id, { by: 'root' })).toBe(false);
    expect(await reasonOf(two)).toBe('SESSION_KICKED');
  });

  it('A76: of another account is out of reach of a device id, whatever is sent', async () => {
    const [victim, thief] = [newUser(), newUser()];
    const device = { deviceId: 'shared-tablet', deviceType: 'tablet' };
    const one = await login(victim, device);
    expect((await login(thief, device)).ended).toEqual([]);
    expect(await reasonOf(one)).toBe('VALID');
    expect((await login(victim, device)).ended).toEqual([{ sessionId: one.session.id, reason: 'SESSION_REPLACED' }]);
  });

  it('A7, G7: is never opened by verifying', async () => {
    const stolen = await login(newUser());
    await node.tokens.logout(stolen.accessToken);
    const user = newUser();
    const fresh = await login(user, { presentedToken: stolen.accessToken });
    expect(fresh.accessToken).not.toBe(stolen.accessToken);
    expect(await reasonOf(stolen)).toBe('SESSION_LOGGED_OUT');
  });

  it('G11: does not begin with a password that was checked before a password change or a kick-all', async () => {
    const user = newUser();
    const acts: (() => Promise<unknown>)[] = [
      () => node.tokens.revokeSessions(user),
      () => node.operators.kickUser(user, { by: 'root' }),
    ];
    for (const act of acts) {
      const ticket = await node.tokens.beginLogin(user);
      await act();
      await expect(login(user, { ticket })).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
      const again = await node.tokens.beginLogin(user);
      await node.sessions.endAll(user);
      expect(await reasonOf(await login(user, { ticket: again }))).toBe('VALID');
    }
    expect((await node.online.events({ userId: user, type: 'LOGIN_REFUSED' })).items).toHaveLength(2);
  });

  it('A73: is refused at a limit, and the refusal ends nothing', async () => {
    const user = newUser();
    policy = multiDevice({ max: 2, overflow: 'reject' });
    const [one, two] = [await login(user), await login(user)];
    clock.advance(MINUTE);
    await expect(login(user)).rejects.toMatchObject({ code: 'SESSION_LIMIT_REACHED' });
    expect([await reasonOf(one), await reasonOf(two)]).toEqual(['VALID', 'VALID']);
    clock.advance(2 * HOUR);
    // Both are overdue now, and make room though no sweeper has been there.
    expect(await reasonOf(await login(user))).toBe('VALID');
  });

  it('that was used last is the last to be evicted, even before its use is written', async () => {
    const user = newUser();
    policy = multiDevice({ max: 2, overflow: 'evict-least-active' });
    const [one, two] = [await login(user), await login(user)];
    clock.advance(MINUTE);
    await node.tokens.verify(one.accessToken, { ip: '192.0.2.7' });
    clock.advance(MINUTE);
    const three = await login(user);
    expect(three.ended).toEqual([{ sessionId: two.session.id, reason: 'SESSION_REPLACED' }]);
    expect((await node.sessions.list(user)).map(({ id, lastIp }) => [id, lastIp])).toEqual([
      [three.session.id, null],
      [one.session.id, '192.0.2.7'],
    ]);
  });

  it('A111, A115, G8: leaves a trail of who did what, when and from where', async () => {
    const user = newUser();
    const one = await login(user, { ip: '198.51.100.9', deviceType: 'web', deviceName: 'Kiosk' });
    await node.operators.kick(one.session.id, { by: 'operator:eve' });
    await node.operators.kick(one.session.id, { by: 'operator:eve' });
    await node.operators.kickUser(user, { by: 'operator:mallory' });
    const trail = (await node.online.events({ userId: user })).items.map((event) => [
      event.type,
      event.actor,
      event.reason,
      event.ip,
      event.sessionId,
      event.ended,
    ]);
    // All in one millisecond, and still the latest first.
    expect(trail).toEqual([
      ['ACCOUNT_SESSIONS_ENDED', 'operator:mallory', 'SESSION_KICKED', null, null, 0],
      ['SESSION_ENDED', 'operator:eve', 'SESSION_KICKED', '198.51.100.9', one.session.id, null],
      ['LOGIN', user, null, '198.51.100.9', one.session.id, null],
    ]);
    const bySession = await node.online.events({ sessionId: one.session.id, type: 'KICK_WITHOUT_EFFECT' });
    expect(bySession.items).toMatchObject([{ actor: 'operator:eve', ended: 0 }]);
  });

  it('A114: text that tries to forge log lines is refused or cleaned', async () => {
    const user = newUser();
    const { session } = await login(user, { userAgent: `a\r\nb\u2028c${'😀'.repeat(600)}` });
    const found = await node.sessions.find(session.id);
    expect(found?.userAgent).toMatch(/^a {2}b c/);
    expect(found!.userAgent!.length).toBeLessThanOrEqual(512);
    expect(found?.userAgent).toBe(session.userAgent);
  });

  // SQL has no part in what follows.
  if (!serviceKinds.includes(kind)) return;

  it('follows a policy that is picked for its user', async () => {
    policy = ({ claims }) => (claims.strict ? singleDevice() : multiDevice());
    const user = newUser();
    const [one, two] = [await login(user), await login(user)];
    const three = await login(user, { claims: { strict: true } });
    expect(three.ended.map(({ sessionId }) => sessionId).sort()).toEqual([one.session.id, two.session.id].sort());
  });

  const hostile: unknown[] = [undefined, null, '', 5.5, {}, [], true, { toString: () => 'x' }, 'x'.repeat(2000), '\0'];

  it('A95, A96: bad arguments are refused before anything is done', async () => {
    const user = newUser();
    const { session } = await login(user);
    const { tokens, sessions, operators } = node;
    const calls: ((value: never) => Promise<unknown>)[] = [
      (value) => operators.kick(value, { by: 'x' }),
      (value) => operators.kickUser(user, value),
      (value) => sessions.endOthers(user, value),
      (value) => sessions.find(value),
    ];
    for (const value of hostile) {
      for (const call of calls) await expect(call(value as never)).rejects.toMatchObject(INVALID);
    }
    const noUser = hostile.filter((value) => typeof value !== 'string' || value === '' || value.length > 1024);
    const byUser: ((value: never) => Promise<unknown>)[] = [
      (value) => tokens.login(value),
      (value) => tokens.beginLogin(value),
      (value) => sessions.endAll(value),
      (value) => sessions.end(value, session.id),
      (value) => tokens.revokeSessions(value),
      (value) => sessions.list(value),
      (value) => node.online.userSessions(value),
    ];
    for (const value of noUser) {
      for (const call of byUser) await expect(call(value as never)).rejects.toMatchObject(INVALID);
    }
    await expect(tokens.revokeSessions(user, { except: 'x' })).rejects.toMatchObject(INVALID);
    expect(await sessions.list(user)).toHaveLength(1);
  });

  it.each([
    ['[2001:db8::1]:51234', '2001:db8::1'],
    ['203.0.113.9:51234', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['unknown', null],
    ['x'.repeat(500), null],
    ['\u0000\ud800', null],
  ])('A95: no call is refused for the sake of an address: %j', async (ip, read) => {
    const { tokens, sessions, operators } = node;
    const user = newUser();
    const { session, accessToken } = await login(user, { ip });
    expect(session.ip).toBe(read);
    clock.advance(MINUTE);
    expect((await tokens.verify(accessToken, { ip })).status).toBe('VALID');
    expect((await sessions.find(session.id))!.lastIp).toBe(read);
    tokens.recordUse(session.id, ip);
    tokens.recordFailedLogin(user, { ip });
    await sessions.reauthenticate(session.id, { ip });
    expect((await operators.impersonate(user, { by: 'root', ip })).session.ip).toBe(read);
    await expect(tokens.refresh('x', { ip })).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });
});
