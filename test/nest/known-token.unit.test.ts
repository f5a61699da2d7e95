import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServerResponse } from 'node:http';
import { Injectable, UseGuards } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import passport from 'passport';
import {
  AuthGuard,
  CheckBan,
  NoActivity,
  RequireFresh,
  Sensitive,
  SessionModule,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { ActivityRecorder } from 'lib/activity-recorder.js';
import { KnownTokens } from 'lib/known-tokens.js';
import { Verifier } from 'lib/verifier.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import {
  adapters,
  answersOf,
  controllerOf,
  sessionOptions,
  startApp,
  startCaching,
  useApp,
  verdict,
} from './http-app.js';

let handled: unknown[] = [];

@Injectable()
class SeeingGuard extends AuthGuard {
  override handleRequest<T>(...[error, user, info, context]: Parameters<AuthGuard['handleRequest']>): T {
    handled.push(user);
    return super.handleRequest(error, user as T, info, context);
  }
}

const RoutesController = controllerOf(
  '',
  {
    me: [],
    twice: [UseGuards(AuthGuard)],
    quiet: [NoActivity()],
    sensitive: [Sensitive()],
    comments: [CheckBan('comment')],
    fresh: [RequireFresh('10m')],
  },
  UseGuards(AuthGuard),
);

const SeeingController = controllerOf('', { seeing: [UseGuards(SeeingGuard)] });

const MINUTE = 60_000;
const answers = answersOf('users');

describe.each(adapters)('a token that is known to be good, on $name', (kind) => {
  const clock = new ManualClock(Date.now());
  const options = sessionOptions({
    clock,
    policy: multiDevice(),
    nearCache: { maxEntries: 100 },
    tokens: sliding({ ttl: '60m', renewWithin: '5m' }),
  });
  const module = { imports: [SessionModule.forRoot(options)], controllers: [RoutesController, SeeingController] };
  const server = useApp(() => startApp(kind, module, { trustProxy: true }));
  let user = 0;
  const passports = jest.spyOn(passport, 'authenticate');
  const inspections = jest.spyOn(Verifier.prototype, 'inspect');

  beforeAll(() => startCaching(server));

  afterEach(() => {
    jest.clearAllMocks();
    handled = [];
  });

  /** A login whose token has been looked at: the second request is the one that makes it known. */
  const knownLogin = async () => {
    const login = await server.tokens.login(`user ${user++}`, { claims: { roles: ['reader'] } });
    for (let round = 0; round < 2; round++) expect((await server.sendWith(login.accessToken)).status).toBe(200);
    jest.clearAllMocks();
    return login;
  };
  const calls = () => ({ passport: passports.mock.calls.length, inspect: inspections.mock.calls.length });
  const send = async (token: string, path: string, lines: string[] = []) =>
    verdict(await server.sendWith(token, { path, lines }));

  it('is answered without passport, with the same user and session as through it', async () => {
    const { accessToken, session } = await knownLogin();
    const fast = await server.sendWith(accessToken);
    expect(calls()).toEqual({ passport: 0, inspect: 0 });
    expect(fast).toMatchObject({
      status: 200,
      json: { user: { userId: session.userId, roles: ['reader'] }, ofSession: session.userId, same: true },
    });
    const slow = await server.sendWith(accessToken, { path: '/seeing' });
    expect(calls()).toEqual({ passport: 1, inspect: 0 });
    expect(slow.json).toEqual(fast.json);
  });

  it('is looked at once for a request, however many guards ask', async () => {
    const inMemory = jest.spyOn(KnownTokens.prototype, 'find');
    const { accessToken } = await knownLogin();
    expect(await send(accessToken, '/twice')).toEqual(answers.good);
    expect(inMemory).toHaveBeenCalledTimes(1);
  });

  it('A22, A23: is all that memory knows: nothing else throws, and what is too long is not hashed', () => {
    const verifier = server.app.get(SessionRuntime, { strict: false }).verifier as unknown as {
      readonly parts: { readonly known: { readonly tokens: { get(hash: string): unknown } } };
    };
    const looked = jest.spyOn(verifier.parts.known.tokens, 'get');
    for (const value of [undefined, null, 7, {}, ['x'], 'x'.repeat(16_000)]) {
      expect(server.tokens.verifyInMemory(value as never)).toBeNull();
    }
    expect(looked).not.toHaveBeenCalled();
    expect(server.tokens.verifyInMemory('')).toBeNull();
  });

  it('is known by its exact text only, wherever that stands in the header: any other is looked at', async () => {
    const { accessToken } = await knownLogin();
    const flipped = accessToken.slice(0, -1) + (accessToken.endsWith('A') ? 'B' : 'A');
    for (const text of [flipped, `${accessToken}=`, `${accessToken}A`, accessToken.toUpperCase()]) {
      expect(await send(text, '/me')).toEqual(answers.unknown);
    }
    for (const text of [` ${accessToken},`, `${accessToken} x`, `"${accessToken}"`]) {
      expect(await send(text, '/me')).toEqual(answers.malformed);
    }
    expect(calls()).toEqual({ passport: 0, inspect: 4 });
    expect(await send(` ${accessToken}`, '/me')).toEqual(answers.good);
    expect(verdict(await server.send({ lines: [`authorization: bearer ${accessToken}`] }))).toEqual(answers.good);
    expect(calls()).toEqual({ passport: 0, inspect: 4 });
  });

  it.each(['logout', 'kick', 'ban', 'revoke'] as const)('A63: is refused from an acknowledged %s on', async (end) => {
    const { accessToken, session } = await knownLogin();
    if (end === 'logout') await server.tokens.logout(accessToken);
    if (end === 'kick') await server.operators.kick(session.id, { by: 'admin' });
    if (end === 'ban') await server.operators.ban(session.userId, { by: 'admin' });
    if (end === 'revoke') await server.tokens.revokeSessions(session.userId);
    expect(await send(accessToken, '/me')).toMatchObject({ status: 401 });
  });

  it('A70: has new claims in the next request', async () => {
    const { accessToken, session } = await knownLogin();
    await server.sessions.updateClaims(session.id, { roles: ['writer'] });
    for (let round = 0; round < 3; round++) {
      expect((await server.sendWith(accessToken)).json.user).toEqual({ userId: session.userId, roles: ['writer'] });
    }
  });

  it('is refused by the rules of a route, whose times go on', async () => {
    const { accessToken, session } = await knownLogin();
    expect(await send(accessToken, '/fresh')).toEqual(answers.good);
    clock.advance(11 * MINUTE);
    expect(await send(accessToken, '/fresh')).toMatchObject({ status: 403, errorCode: 'FRESH_LOGIN_REQUIRED' });
    await server.operators.ban(session.userId, { service: 'comment', by: 'admin' });
    for (let round = 0; round < 3; round++) {
      expect(await send(accessToken, '/comments')).toMatchObject({ status: 403, errorCode: 'SERVICE_BANNED' });
    }
  });

  it('is renewed near its end, and refused after it', async () => {
    const { accessToken } = await knownLogin();
    clock.advance(55 * MINUTE - 1);
    // The copy is too old by then, whatever the token is.
    for (let round = 0; round < 2; round++)
      expect((await server.sendWith(accessToken)).headers).not.toHaveProperty('x-renewed-token');
    clock.advance(2);
    const renewed = await server.sendWith(accessToken);
    expect(renewed.headers).toHaveProperty('x-renewed-token');
    clock.advance(5 * MINUTE);
    expect(await send(accessToken, '/me')).toMatchObject({ status: 401, errorCode: 'TOKEN_EXPIRED' });
  });

  it('is judged when it goes on, not when it came: what has ended since is refused', async () => {
    const guard = await server.app.get(ModuleRef).create(AuthGuard);
    const { accessToken, session } = await knownLogin();
    const activate = () => {
      const request = { headers: { authorization: `Bearer ${accessToken}` } };
      const response = new ServerResponse(request as never);
      return guard.canActivate(new ExecutionContextHost([request, response], RoutesController, () => undefined));
    };
    expect(await activate()).toBe(true);
    expect(calls()).toEqual({ passport: 0, inspect: 0 });
    const waiting = activate();
    clock.advance(session.expiresAt - clock.now());
    await expect(waiting).rejects.toMatchObject({ status: 401, response: { errorCode: 'SESSION_EXPIRED' } });
  });

  it('counts as a use of its session, with the address, unless it should not', async () => {
    const { accessToken, session } = await knownLogin();
    const seen = async () => (await server.sessions.find(session.id))!;
    const before = (await seen()).lastSeenAt;
    clock.advance(MINUTE);
    await send(accessToken, '/quiet');
    await send(accessToken, '/me', ['X-No-Activity: 1']);
    expect((await seen()).lastSeenAt).toBe(before);
    await send(accessToken, '/me');
    expect(calls().passport).toBe(0);
    expect(await seen()).toMatchObject({ lastSeenAt: before + MINUTE, lastIp: '127.0.0.1' });
  });

  it('is looked for once in a request, also while it is not known and when it is refused', async () => {
    const looked = jest.spyOn(KnownTokens.prototype, 'find');
    const { accessToken } = await server.tokens.login('newcomer');
    expect(await send(accessToken, '/me')).toEqual(answers.good);
    await server.tokens.logout(accessToken);
    expect(await send(accessToken, '/me')).not.toEqual(answers.good);
    expect(looked).toHaveBeenCalledTimes(2);
  });

  it('has one use noted of those in quick succession, and the next one after that', async () => {
    const { accessToken, session } = await knownLogin();
    clock.advance(MINUTE);
    const noted = jest.spyOn(ActivityRecorder.prototype, 'record');
    const use = async (times: number) => {
      for (let time = 0; time < times; time++) expect(await send(accessToken, '/me')).toEqual(answers.good);
    };
    await use(5);
    expect(noted.mock.calls).toEqual([[session.id, clock.now(), '127.0.0.1', true]]);
    clock.advance(MINUTE);
    await use(5);
    expect(noted).toHaveBeenCalledTimes(2);
    expect(calls().passport).toBe(0);
  });

  it.each([
    ['/me', []],
    ['/me', ['X-No-Activity: 1']],
    ['/quiet', []],
    ['/sensitive', ['X-No-Activity: 1']],
  ])('leaves a trace where somebody else has it: %s, %j', async (path, lines) => {
    const { accessToken, session } = await knownLogin();
    const lastIp = async () => (await server.sessions.find(session.id))!.lastIp;
    clock.advance(MINUTE);
    await send(accessToken, '/me');
    expect(await lastIp()).toBe('127.0.0.1');
    const lastSeenAt = clock.now();
    // At the same moment: what was just noted is that of another address.
    await send(accessToken, path, ['X-Forwarded-For: 203.0.113.66', ...lines]);
    expect(await lastIp()).toBe('203.0.113.66');
    await send(accessToken, '/me');
    expect(await lastIp()).toBe('127.0.0.1');
    clock.advance(500);
    await send(accessToken, '/me', ['X-Forwarded-For: 203.0.113.66', 'X-No-Activity: 1']);
    expect(await server.sessions.find(session.id)).toMatchObject({ lastSeenAt, lastIp: '203.0.113.66' });
  });
});
