import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type LoggerService } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import {
  type LoginAttempt,
  type PublishedEvent,
  SessionModule,
  type SessionModuleOptions,
  accessAndRefresh,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import { until } from '../support/until.js';
import { type HttpApp, type StartOptions, adapters, sessionOptions, startApp } from './http-app.js';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 15, 12);

let clock: ManualClock;
let server: HttpApp;
let events: PublishedEvent[];

beforeEach(() => {
  clock = new ManualClock(START);
  events = [];
});

afterEach(() => server.close());

type Imports = NonNullable<Parameters<typeof startApp>[1]['imports']>;

const start = async (
  options: Partial<SessionModuleOptions> = {},
  more: Omit<Parameters<typeof startApp>[1], 'imports'> & { imports?: Imports } & Pick<StartOptions, 'logger'> = {},
) => {
  const { imports = [], logger, ...metadata } = more;
  const session = SessionModule.forRoot(
    sessionOptions({ clock, policy: multiDevice(), hooks: { onEvent: listInto(events) }, ...options }),
  );
  server = await startApp(adapters[0]!, { imports: [session, ...imports], ...metadata }, { logger });
  return server;
};

/** What a listener of an earlier test hears late is not of this one. */
function listInto(list: PublishedEvent[]) {
  return (event: PublishedEvent) => list.push(event);
}

const told = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

/** Throws anything, as applications do. */
function fail(reason: unknown): never {
  throw reason;
}

const keepErrors = (lines: string[]): LoggerService => ({
  log: () => undefined,
  warn: () => undefined,
  error: (message: string) => lines.push(message),
});

describe('the onEvent hook', () => {
  it('is told of logins, step-ups, bans and each end, in order and with the realm', async () => {
    const { tokens, sessions, operators } = await start({ realm: 'staff' });
    const about = { realm: 'staff', userId: 'alice' };
    const first = await tokens.login('alice', { deviceType: 'phone', ip: '203.0.113.7' });
    const second = await tokens.login('alice');
    const shadow = await operators.impersonate('alice', { by: 'admin' });
    await sessions.reauthenticate(first.session.id);
    await tokens.logout(first.accessToken);
    await operators.kick(second.session.id, { by: 'admin' });
    const third = await tokens.login('alice');
    await sessions.end('alice', shadow.session.id);
    await operators.ban('alice', { service: 'comment', by: 'admin' });
    await operators.liftBan('alice', { service: 'comment', by: 'admin' });
    await operators.ban('alice', { comment: 'spam', by: 'admin' });
    await told();
    const login = { type: 'session.login', ...about, deviceType: null, ip: null, impersonator: null };
    const ended = (session: { id: string }, reason: string) => ({
      type: 'session.ended',
      ...about,
      sessionId: session.id,
      reason,
    });
    expect(events).toEqual([
      { ...login, sessionId: first.session.id, deviceType: 'phone', ip: '203.0.113.7' },
      { ...login, sessionId: second.session.id },
      { ...login, sessionId: shadow.session.id, impersonator: 'admin' },
      { type: 'session.reauthenticated', ...about, sessionId: first.session.id },
      ended(first.session, 'SESSION_LOGGED_OUT'),
      ended(second.session, 'SESSION_KICKED'),
      { ...login, sessionId: third.session.id },
      ended(shadow.session, 'SESSION_LOGGED_OUT'),
      { type: 'account.banned', ...about, ban: expect.objectContaining({ service: 'comment' }) },
      { type: 'account.ban-lifted', ...about, ban: expect.objectContaining({ service: 'comment' }) },
      { type: 'account.banned', ...about, ban: expect.objectContaining({ service: null, comment: 'spam' }) },
      ended(third.session, 'ACCOUNT_DISABLED'),
    ]);
  });

  it('is told of refreshes and reuse', async () => {
    const { tokens } = await start({ tokens: accessAndRefresh({ grace: '30s' }) });
    const { refreshToken, session } = await tokens.login('alice');
    const next = await tokens.refresh(refreshToken, { ip: '203.0.113.1' });
    await tokens.verify(next.accessToken);
    clock.advance(MINUTE);
    await expect(tokens.refresh(refreshToken, { ip: '203.0.113.2' })).rejects.toThrow();
    await told();
    const about = { realm: 'users', userId: 'alice', sessionId: session.id };
    expect(events.slice(1)).toEqual([
      { type: 'session.refreshed', ...about },
      { type: 'session.refresh-reused', ...about, ip: '203.0.113.2', renewedFrom: '203.0.113.1' },
      { type: 'session.ended', ...about, reason: 'REFRESH_REUSED' },
    ]);
    // A9: whoever reads events holds no session.
    const text = JSON.stringify(events);
    for (const token of [refreshToken!, next.accessToken, next.refreshToken!]) expect(text).not.toContain(token);
  });

  it('is told of renewals once, of ends by time and of ends by idleness', async () => {
    const { tokens, operators } = await start({
      tokens: sliding({ ttl: '4h', renewWithin: '5m' }),
      idleTimeout: '90m',
      timing: { activityFlush: '30m', sweep: '1h' },
    });
    const runtime = server.app.get(SessionRuntime, { strict: false });
    const { accessToken, session } = await tokens.login('alice');
    for (const minutes of [80, 80, 76]) {
      clock.advance(minutes * MINUTE);
      const verified = await Promise.all([tokens.verify(accessToken), tokens.verify(accessToken)]);
      expect(verified).toMatchObject([{ status: 'VALID' }, { status: 'VALID' }]);
    }
    const shadow = await operators.impersonate('bob', { by: 'admin', for: '30m' });
    clock.advance(151 * MINUTE);
    await runtime.sweep();
    await told();
    const of = (userId: string, sessionId: string) => ({ realm: 'users', userId, sessionId });
    expect(events.filter(({ type }) => type !== 'session.login')).toEqual([
      { type: 'session.renewed', ...of('alice', session.id) },
      { type: 'session.ended', ...of('bob', shadow.session.id), reason: 'SESSION_EXPIRED' },
      { type: 'session.ended', ...of('alice', session.id), reason: 'SESSION_IDLE' },
    ]);
    events.length = 0;
    await runtime.sweep();
    await told();
    expect(events).toEqual([]);
  });

  it('is told after it was recorded', async () => {
    const found: unknown[] = [];
    const { tokens } = await start({
      hooks: {
        onEvent: async (event) => {
          if ('sessionId' in event) found.push((await server.sessions.find(event.sessionId))?.end?.reason ?? null);
        },
      },
    });
    const { accessToken } = await tokens.login('alice');
    await until(() => found.length === 1);
    await tokens.logout(accessToken);
    await until(() => found.length === 2);
    expect(found).toEqual([null, 'SESSION_LOGGED_OUT']);
  });

  it.each<[string, () => unknown]>([
    ['throws', () => fail(new Error('no mail server'))],
    ['rejects', () => Promise.reject(new Error('no mail server'))],
    ['throws what is no error', () => fail('no mail server')],
  ])('that %s undoes nothing and is logged', async (_title, onEvent) => {
    const lines: string[] = [];
    const { tokens } = await start({ hooks: { onEvent } }, { logger: keepErrors(lines) });
    const { accessToken } = await tokens.login('alice');
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    expect(await tokens.logout(accessToken)).toBe(true);
    expect((await tokens.verify(accessToken)).status).toBe('INVALID');
    await told();
    expect(lines).toEqual([
      'A listener to session.login failed: no mail server',
      'A listener to session.ended failed: no mail server',
    ]);
  });

  it('that never ends delays nobody', async () => {
    const { tokens } = await start({ hooks: { onEvent: () => new Promise(() => undefined) } });
    const { accessToken } = await tokens.login('alice');
    await told();
    expect(await tokens.logout(accessToken)).toBe(true);
  });

  it('runs in a turn of its own', async () => {
    let running = false;
    const { tokens } = await start({ hooks: { onEvent: () => (running = true) } });
    await tokens.login('alice');
    // Whatever the hook does at once, the caller has its answer before.
    expect(running).toBe(false);
    await told();
    expect(running).toBe(true);
  });
});

it('hooks may be an object of a class', async () => {
  class Hooks {
    readonly seen: string[] = [];

    beforeLogin({ userId }: LoginAttempt) {
      this.seen.push(userId);
    }

    onEvent({ type }: PublishedEvent) {
      this.seen.push(type);
    }
  }
  const hooks = new Hooks();
  const { tokens } = await start({ hooks });
  await tokens.login('alice');
  await told();
  expect(hooks.seen).toEqual(['alice', 'session.login']);
});

describe('@nestjs/event-emitter', () => {
  @Injectable()
  class Listeners {
    readonly logins: PublishedEvent<'session.login'>[] = [];
    readonly ends: PublishedEvent<'session.ended'>[] = [];

    @OnEvent('session.login')
    onLogin(event: PublishedEvent<'session.login'>) {
      this.logins.push(event);
    }

    @OnEvent('session.ended', { async: true })
    async onEnd(event: PublishedEvent<'session.ended'>) {
      this.ends.push(event);
    }
  }

  it('gets every event under its type where the application has it', async () => {
    const { tokens } = await start({}, { imports: [EventEmitterModule.forRoot()], providers: [Listeners] });
    const { accessToken, session } = await tokens.login('alice');
    await tokens.logout(accessToken);
    await told();
    const { logins, ends } = server.app.get(Listeners);
    expect(logins).toEqual([events[0]]);
    expect(logins).toMatchObject([{ type: 'session.login', realm: 'users', sessionId: session.id }]);
    expect(ends).toEqual([events[1]]);
    expect(ends).toMatchObject([{ type: 'session.ended', reason: 'SESSION_LOGGED_OUT' }]);
  });

  it('may be used with wildcards', async () => {
    const heard: unknown[] = [];
    const { tokens } = await start({}, { imports: [EventEmitterModule.forRoot({ wildcard: true })] });
    server.app.get(EventEmitter2).on('session.*', (event: PublishedEvent) => heard.push(event.type));
    await tokens.logout((await tokens.login('alice')).accessToken);
    await told();
    expect(heard).toEqual(['session.login', 'session.ended']);
  });

  it('tells of several realms, each by its name', async () => {
    await start(
      { realm: 'users' },
      {
        imports: [EventEmitterModule.forRoot(), SessionModule.forRoot(sessionOptions({ clock, realm: 'staff' }))],
        providers: [Listeners],
      },
    );
    for (const { tokens } of server.app.get(SessionRuntime, { strict: false, each: true })) await tokens.login('1');
    await told();
    expect(server.app.get(Listeners).logins.map(({ realm, userId }) => [realm, userId])).toEqual([
      ['users', '1'],
      ['staff', '1'],
    ]);
  });

  it.each<[string, () => unknown]>([
    ['throws', () => fail(new Error('no queue'))],
    // With emit, this would be an unhandled rejection and end the process.
    ['rejects', () => Promise.reject(new Error('no queue'))],
  ])('with a listener that %s undoes nothing, and the hook hears all the same', async (_title, listener) => {
    const lines: string[] = [];
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const imports = [EventEmitterModule.forRoot()];
    const { tokens } = await start({}, { imports, logger: keepErrors(lines) });
    server.app.get(EventEmitter2).on('session.login', listener);
    const { accessToken } = await tokens.login('alice');
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    await told();
    await told();
    process.off('unhandledRejection', note);
    expect(events).toMatchObject([{ type: 'session.login' }]);
    expect(lines).toEqual(['A listener to session.login failed: no queue']);
    expect(unhandled).toEqual([]);
  });

  it('and the hook share an event that neither can change', async () => {
    const { tokens } = await start({}, { imports: [EventEmitterModule.forRoot()], providers: [Listeners] });
    await tokens.login('alice');
    await told();
    expect(events[0]).toBe(server.app.get(Listeners).logins[0]);
    expect(() => Object.assign(events[0]!, { userId: 'mallory' })).toThrow(TypeError);
  });
});

describe('the beforeLogin hook', () => {
  const withHook = (beforeLogin: (login: LoginAttempt) => unknown, timing: SessionModuleOptions['timing'] = {}) =>
    start({ hooks: { beforeLogin: beforeLogin as () => void, onEvent: listInto(events) }, timing });

  it('sees what is about to be recorded', async () => {
    const seen: LoginAttempt[] = [];
    const { tokens, operators } = await withHook((login) => void seen.push(login));
    await tokens.login('alice', {
      userName: 'Alice',
      loginMethod: 'Passkey',
      amr: ['HWK', 'user'],
      deviceType: 'Phone',
      deviceId: 'd1',
      deviceName: "Alice's",
      ip: '::ffff:203.0.113.7',
      userAgent: 'agent',
      claims: { roles: ['user'] },
    });
    await operators.impersonate('alice', { by: 'admin' });
    const none = {
      amr: [],
      deviceType: null,
      deviceId: null,
      deviceName: null,
      ip: null,
      userAgent: null,
      claims: {},
      persistent: false,
    };
    expect(seen).toEqual([
      {
        userId: 'alice',
        userName: 'Alice',
        loginMethod: 'passkey',
        amr: ['hwk', 'user'],
        deviceType: 'phone',
        deviceId: 'd1',
        deviceName: "Alice's",
        ip: '203.0.113.7',
        userAgent: 'agent',
        claims: { roles: ['user'] },
        persistent: false,
        impersonator: null,
      },
      { userId: 'alice', userName: null, loginMethod: 'impersonation', ...none, impersonator: 'admin' },
    ]);
  });

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['true', () => true],
    ['a promise of nothing', () => Promise.resolve()],
  ])('lets pass with %s', async (_title, answer) => {
    const { tokens } = await withHook(answer);
    await expect(tokens.login('alice')).resolves.toMatchObject({ session: { userId: 'alice' } });
  });

  class Closed extends Error {}

  it.each<[string, () => unknown, object]>([
    ['false', () => false, { code: 'FORBIDDEN' }],
    ['a promise of false', () => Promise.resolve(false), { code: 'FORBIDDEN' }],
    ['a rejection', () => Promise.reject(new Closed('after hours')), { message: 'after hours' }],
    ['an error', () => fail(new Closed('after hours')), { message: 'after hours' }],
  ])('refuses with %s, and nothing happens', async (_title, answer, expected) => {
    let open = true;
    const { tokens, sessions, operators } = await withHook(() => (open ? undefined : answer()));
    const { session } = await tokens.login('alice', { deviceId: 'd1' });
    open = false;
    await expect(tokens.login('alice', { deviceId: 'd1' })).rejects.toMatchObject(expected);
    await expect(operators.impersonate('alice', { by: 'admin' })).rejects.toMatchObject(expected);
    expect((await sessions.list('alice')).map(({ id }) => id)).toEqual([session.id]);
    await told();
    expect(events).toMatchObject([{ type: 'session.login' }]);
  });

  it('that never answers is a 503 within the budget of a login', async () => {
    const { tokens, sessions } = await withHook(() => new Promise(() => undefined), { loginBudget: '50ms' });
    await expect(tokens.login('alice')).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    expect(await sessions.list('alice')).toEqual([]);
  });

  it('is not asked about a login that is nonsense anyway', async () => {
    let asked = 0;
    const { tokens } = await withHook(() => void asked++);
    await expect(tokens.login('alice', { deviceType: 'a b' })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(tokens.login('')).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    expect(asked).toBe(0);
  });

  it('cannot change what is recorded', async () => {
    const { tokens } = await withHook((login) => {
      try {
        Object.assign(login, { userId: 'root', deviceType: 'tv' });
        Object.assign(login.claims, { roles: ['admin'], big: 'x'.repeat(10_000) });
      } catch {
        // Frozen is as good.
      }
    });
    const { accessToken } = await tokens.login('alice', { claims: { roles: ['user'] } });
    const result = await tokens.verify(accessToken);
    expect(result).toMatchObject({ session: { userId: 'alice', deviceType: null, claims: { roles: ['user'] } } });
    expect(result).not.toHaveProperty('session.claims.big');
  });
});
