import { describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  CurrentSession,
  RequireFresh,
  SessionModule,
  type SessionModuleOptions,
  SessionVerifier,
  type UserSession,
  cookies,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { Optional } from 'lib/route-decorators.js';
import { defaultMessages } from 'lib/session-error.js';
import { HTTPS, cookiesOf } from './cookie-app.js';
import { adapters, answersOf, controllerOf, sessionOptions, startApp, useApp, verdict } from './http-app.js';

const { good } = answersOf('users');
const MINUTE = 60_000;
const MFA = RequireFresh('10m', { amr: ['mfa'] });
const { FRESH_LOGIN_REQUIRED: message } = defaultMessages;

/** Accepts a session without AuthGuard, as a guard that accepts something else as well. */
@Injectable()
class Composed implements CanActivate {
  constructor(private readonly sessions: SessionVerifier) {}

  async canActivate(context: ExecutionContext) {
    return this.sessions.admit(context, await this.sessions.verify(context));
  }
}

@Controller()
class MethodsController {
  @UseGuards(AuthGuard)
  @Get('amr')
  amr(@CurrentSession('amr') amr: UserSession['amr']) {
    return { amr };
  }

  // OptionalAuth without the AuthGuard that it brings along.
  @Optional({ ignoreInvalid: true })
  @UseGuards(Composed)
  @MFA
  @Get('lenient')
  lenient() {
    return {};
  }
}

const controllers = [
  controllerOf(
    '',
    { mfa: [MFA], both: [RequireFresh('1h', { amr: ['OTP', 'pwd', 'otp'] })], fresh: [RequireFresh('10m')] },
    UseGuards(AuthGuard),
  ),
  controllerOf('strict', { inherits: [], any: [RequireFresh('1h')] }, UseGuards(AuthGuard), MFA),
  MethodsController,
];

const challenged = (parameters: string) => ({
  status: 401,
  errorCode: 'FRESH_LOGIN_REQUIRED',
  challenge: `Bearer realm="users", error="insufficient_user_authentication", error_description="${message}", ${parameters}`,
});

describe.each(adapters)('an authentication by certain methods on $name', (kind) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 15, 12));
  const start = (options: Partial<SessionModuleOptions> = {}) =>
    startApp(kind, {
      imports: [
        SessionModule.forRoot({ ...sessionOptions({ clock, policy: multiDevice(), ...options }), isGlobal: true }),
      ],
      controllers,
    });
  const app = useApp(() => start());
  const challenging = useApp(() =>
    start({ stepUp: { status: 401, acrValues: { mfa: ['urn:example:aal3', 'urn:example:aal2'], 'pwd OTP': 'two' } } }),
  );
  let users = 0;

  const logIn = async (amr?: readonly string[], server = app) => {
    const { accessToken, session } = await server.tokens.login(`user-${++users}`, { ...(amr && { amr }) });
    const answer = (path: string, lines: readonly string[] = []) => server.sendWith(accessToken, { path, lines });
    return {
      userId: session.userId,
      id: session.id,
      answer,
      verdict: async (path: string) => verdict(await answer(path)),
    };
  };
  const refused = {
    status: 403,
    errorCode: 'FRESH_LOGIN_REQUIRED',
    challenge: `Bearer realm="users", error="insufficient_user_authentication", error_description="${message}"`,
  };

  it('passes where the login had all of the methods, and was recent', async () => {
    const [none, password, all] = [await logIn(), await logIn(['pwd']), await logIn(['pwd', 'MFA', 'otp'])];
    expect([await none.verdict('/mfa'), await password.verdict('/mfa'), await all.verdict('/mfa')]).toEqual([
      refused,
      refused,
      good,
    ]);
    expect([await password.verdict('/both'), await all.verdict('/both')]).toEqual([refused, good]);
    expect(await none.verdict('/fresh')).toEqual(good);
    clock.advance(10 * MINUTE);
    expect(await all.verdict('/mfa')).toEqual(good);
    clock.advance(1);
    expect([await all.verdict('/mfa'), await all.verdict('/both')]).toEqual([refused, good]);
  });

  it('says which methods are needed, beside the age', async () => {
    const { answer } = await logIn(['pwd']);
    const body = { statusCode: 403, error: 'Forbidden', message, errorCode: 'FRESH_LOGIN_REQUIRED' };
    expect((await answer('/mfa')).json).toEqual({ ...body, maxAge: 600, amr: ['mfa'] });
    expect((await answer('/both')).json).toEqual({ ...body, maxAge: 3600, amr: ['otp', 'pwd'] });
  });

  it('is the last one: its methods replace those of the login, also where it names none', async () => {
    const { id, answer, verdict: verdictOf } = await logIn(['pwd', 'mfa']);
    clock.advance(MINUTE);
    await app.sessions.reauthenticate(id, { amr: ['pwd'] });
    expect([await verdictOf('/mfa'), await verdictOf('/fresh')]).toEqual([refused, good]);
    await app.sessions.reauthenticate(id, { amr: ['Mfa', 'hwk', 'mfa'] });
    expect([await verdictOf('/mfa'), (await answer('/amr')).json]).toEqual([good, { amr: ['mfa', 'hwk'] }]);
    await app.sessions.reauthenticate(id);
    expect([await verdictOf('/mfa'), (await answer('/amr')).json]).toEqual([refused, { amr: [] }]);
  });

  it('is none of a change of credentials that keeps the session, though that counts as recent', async () => {
    const { id, userId, verdict: verdictOf } = await logIn(['mfa']);
    clock.advance(11 * MINUTE);
    await app.tokens.revokeSessions(userId, { except: id });
    expect([await verdictOf('/fresh'), await verdictOf('/mfa')]).toEqual([good, refused]);
  });

  it('is kept through a renewal', async () => {
    const node = await start({ tokens: sliding({ ttl: '1h', renewWithin: '30m' }) });
    try {
      const { accessToken } = await node.tokens.login('renewed', { amr: ['mfa'] });
      clock.advance(45 * MINUTE);
      const next = (await node.sendWith(accessToken, { path: '/amr' })).headers['x-renewed-token']!;
      expect((await node.sendWith(next, { path: '/amr' })).json).toEqual({ amr: ['mfa'] });
    } finally {
      await node.close();
    }
  });

  it('is asked for by the nearest decorator, methods included', async () => {
    const { verdict: verdictOf } = await logIn(['pwd']);
    expect([await verdictOf('/strict/inherits'), await verdictOf('/strict/any')]).toEqual([refused, good]);
  });

  it('is never that of an impersonator', async () => {
    const { accessToken, session } = await app.operators.impersonate('victim', { by: 'admin' });
    await app.sessions.reauthenticate(session.id, { amr: ['mfa'] });
    const { json } = await app.sendWith(accessToken, { path: '/mfa' });
    expect(json).toMatchObject({ errorCode: 'FRESH_LOGIN_REQUIRED', amr: ['mfa'], impersonated: true });
  });

  describe('by RFC 9470', () => {
    it('is challenged with 401, the age, and the contexts of all methods together', async () => {
      const { answer, verdict: verdictOf } = await logIn(['pwd'], challenging);
      expect(await verdictOf('/mfa')).toEqual(
        challenged('max_age="600", acr_values="urn:example:aal3 urn:example:aal2"'),
      );
      expect(await verdictOf('/both')).toEqual(challenged('max_age="3600", acr_values="two"'));
      const { json } = await answer('/mfa');
      expect(json).toEqual({
        statusCode: 401,
        error: 'Unauthorized',
        message,
        errorCode: 'FRESH_LOGIN_REQUIRED',
        maxAge: 600,
        amr: ['mfa'],
        acrValues: ['urn:example:aal3', 'urn:example:aal2'],
      });
      clock.advance(11 * MINUTE);
      expect(await verdictOf('/fresh')).toEqual(challenged('max_age="600"'));
      expect((await answer('/fresh')).json).not.toHaveProperty('acrValues');
      // It is no end: the token is good elsewhere.
      expect((await answer('/amr')).json).toEqual({ amr: ['pwd'] });
    });

    it('leaves the cookies of the session alone, in answers to navigations too', async () => {
      const server = await startApp(
        kind,
        {
          imports: [
            SessionModule.forRoot({
              ...sessionOptions({ transport: cookies(), stepUp: { status: 401 } }),
              isGlobal: true,
            }),
          ],
          controllers,
        },
        { trustProxy: true },
      );
      try {
        const { accessToken, session } = await server.tokens.login('alice');
        const lines = [...HTTPS, 'Sec-Fetch-Mode: navigate', `Cookie: __Host-session=${accessToken}`];
        const stale = await server.send({ path: '/mfa', lines });
        expect(stale).toMatchObject({ status: 401, json: { errorCode: 'FRESH_LOGIN_REQUIRED' } });
        expect(stale.headers['www-authenticate']).toMatch(
          /^Cookie realm="users", error="insufficient_user_authentication", .*max_age="600"$/,
        );
        expect(cookiesOf(stale)).toEqual({});
        await server.operators.kick(session.id, { by: 'root' });
        expect(Object.keys(cookiesOf(await server.send({ path: '/mfa', lines })))).toHaveLength(2);
      } finally {
        await server.close();
      }
    });

    it('is not left out because a route ignores invalid tokens', async () => {
      const { answer } = await logIn(['pwd'], challenging);
      expect(await answer('/lenient')).toMatchObject({ status: 401, json: { errorCode: 'FRESH_LOGIN_REQUIRED' } });
      expect((await challenging.send({ path: '/lenient' })).status).toBe(200);
      const invalid = { path: '/lenient', lines: ['Authorization: Bearer nonsense'] };
      expect((await challenging.send(invalid)).status).toBe(200);
    });
  });
});

describe('RequireFresh', () => {
  it.each<[string, () => unknown]>([
    ['no list', () => RequireFresh('10m', { amr: 'mfa' as never })],
    ['null', () => RequireFresh('10m', { amr: null as never })],
    ['an empty list', () => RequireFresh('10m', { amr: [] })],
    ['more than a session can have', () => RequireFresh('10m', { amr: Array.from({ length: 9 }, (_, i) => `m${i}`) })],
    ['an empty method', () => RequireFresh('10m', { amr: ['mfa', ''] })],
    ['what no login can name', () => RequireFresh('10m', { amr: ['two words'] })],
    ['an unknown option', () => RequireFresh('10m', { acr: ['mfa'] } as never)],
    ['no object', () => RequireFresh('10m', ['mfa'] as never)],
  ])('stops the boot where its class is defined: %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
    expect(make).toThrow('@RequireFresh()');
  });

  it('contradicts another of the same route', () => {
    const define = () => controllerOf('', { twice: [RequireFresh('1h'), MFA] });
    expect(define).toThrow(/^value has @RequireFresh\(\) twice/);
    expect(() => controllerOf('', {}, RequireFresh('1h'), MFA)).toThrow(/^Routes has @RequireFresh\(\) twice/);
  });
});
