import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import {
  AuthGuard,
  CheckBan,
  NoActivity,
  Public,
  RequireFresh,
  Sensitive,
  SessionModule,
  type SessionModuleOptions,
  TokenService,
  multiDevice,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { defaultMessages } from 'lib/session-error.js';
import { Verifier } from 'lib/verifier.js';
import {
  adapters,
  answersOf,
  controllerOf,
  countQueries,
  guardIn,
  sessionOptions,
  SocketGuard,
  startApp,
  startCaching,
  useApp,
  verdict,
} from './http-app.js';

const { good, missing } = answersOf('users');
const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 15, 12);

const PlainController = controllerOf('', {
  plain: [],
  sensitive: [Sensitive()],
  quiet: [NoActivity()],
  fresh: [RequireFresh('10m')],
  comment: [CheckBan('comment')],
  'comment-2': [CheckBan('comment', 2)],
  both: [CheckBan('comment', 3), CheckBan('upload')],
  everything: [CheckBan('comment'), RequireFresh('10m'), Sensitive()],
});

const StrictController = controllerOf(
  'strict',
  {
    inherits: [],
    longer: [RequireFresh('1h')],
    shorter: [RequireFresh('1m')],
    milder: [RequireFresh('1h'), CheckBan('shop', 3)],
    another: [RequireFresh('1h'), CheckBan('upload')],
    open: [Public()],
  },
  Sensitive(),
  RequireFresh('10m'),
  CheckBan('shop', 2),
);

const PublicController = controllerOf(
  'public',
  {
    open: [],
    'no-activity': [NoActivity()],
    sensitive: [Sensitive()],
    fresh: [RequireFresh('10m')],
    ban: [CheckBan('comment')],
  },
  Public(),
);

@Controller('derived')
class DerivedController extends StrictController {}

@CheckBan('upload')
@Controller('derived-more')
class DerivedMoreController extends StrictController {}

const controllers = [
  PlainController,
  StrictController,
  controllerOf('quiet-all', { all: [] }, NoActivity()),
  PublicController,
  DerivedController,
  DerivedMoreController,
];

const root = (options: Partial<SessionModuleOptions>) => ({
  imports: [SessionModule.forRoot(sessionOptions(options))],
  controllers,
  providers: [{ provide: APP_GUARD, useClass: AuthGuard }],
});

function handlerOf(name: string): () => object {
  return Reflect.get(PlainController.prototype, name) as () => object;
}

const forbidden = (code: 'SERVICE_BANNED' | 'FRESH_LOGIN_REQUIRED', error: string) => ({
  status: 403,
  errorCode: code,
  challenge: `Bearer realm="users", error="${error}", error_description="${defaultMessages[code]}"`,
});
const banned = forbidden('SERVICE_BANNED', 'insufficient_scope');
const stale = forbidden('FRESH_LOGIN_REQUIRED', 'insufficient_user_authentication');

afterEach(() => void jest.restoreAllMocks());

describe.each(adapters)('the rules of a route on $name', (kind) => {
  const clock = new ManualClock(START);
  const start = (options: Partial<SessionModuleOptions> = {}) =>
    startApp(kind, root({ clock, policy: multiDevice(), ...options }));
  const shared = useApp(start);
  let users = 0;

  const logIn = async (options?: Parameters<TokenService['login']>[1], server = shared) => {
    const userId = `user-${++users}`;
    const { accessToken, session } = await server.tokens.login(userId, options);
    const answer = (path: string, lines?: string[]) => server.sendWith(accessToken, { path, lines });
    return { userId, id: session.id, answer, verdict: async (path: string) => verdict(await answer(path)) };
  };

  describe('Public', () => {
    it.each(['/public/open', '/public/no-activity', '/strict/open', '/derived/open'])(
      'opens %s, where nothing nearer is asked',
      async (path) => {
        expect(verdict(await shared.send({ path }))).toEqual(good);
      },
    );

    it.each(['sensitive', 'fresh', 'ban'])(
      'on a controller does not open a route with a rule of its own: %s',
      async (name) => {
        expect(verdict(await shared.send({ path: `/public/${name}` }))).toEqual(missing);
        const { verdict: verdictOf } = await logIn();
        expect(await verdictOf(`/public/${name}`)).toEqual(good);
      },
    );
  });

  describe('RequireFresh', () => {
    it('lets a recent login pass to the millisecond, and then asks for a new proof', async () => {
      const user = await logIn();
      clock.advance(10 * MINUTE);
      expect(await user.verdict('/fresh')).toEqual(good);
      clock.advance(1);
      expect(await user.verdict('/fresh')).toEqual(stale);
      expect(await user.verdict('/plain')).toEqual(good);
    });

    it('says how recent it must be, and no more', async () => {
      const user = await logIn();
      clock.advance(11 * MINUTE);
      expect((await user.answer('/fresh')).json).toEqual({
        statusCode: 403,
        error: 'Forbidden',
        message: defaultMessages.FRESH_LOGIN_REQUIRED,
        errorCode: 'FRESH_LOGIN_REQUIRED',
        maxAge: 600,
      });
    });

    it('counts from when the user proved who they are, not from the login', async () => {
      const user = await logIn({ authenticatedAt: clock.now() - 11 * MINUTE });
      expect(await user.verdict('/fresh')).toEqual(stale);
    });

    it('lets the session pass after confirm, for as long', async () => {
      const [user, other] = [await logIn(), await logIn()];
      clock.advance(11 * MINUTE);
      await shared.sessions.reauthenticate(user.id);
      expect(await user.verdict('/fresh')).toEqual(good);
      expect(await other.verdict('/fresh')).toEqual(stale);
      clock.advance(10 * MINUTE);
      expect(await user.verdict('/fresh')).toEqual(good);
      clock.advance(1);
      expect(await user.verdict('/fresh')).toEqual(stale);
    });

    it('never lets an impersonator pass', async () => {
      const { accessToken, session } = await shared.operators.impersonate('victim', { by: 'admin' });
      const answer = () => shared.sendWith(accessToken, { path: '/fresh' });
      expect(verdict(await shared.sendWith(accessToken, { path: '/plain' }))).toEqual(good);
      expect(verdict(await answer())).toEqual(stale);
      expect((await answer()).json).toMatchObject({ maxAge: 600, impersonated: true });
      await shared.sessions.reauthenticate(session.id);
      expect(verdict(await answer())).toEqual(stale);
    });

    it.each([
      ['inherits', 10],
      ['longer', 60],
      ['shorter', 1],
    ])('on a route takes the place of that on the controller: %s', async (name, minutes) => {
      for (const prefix of ['/strict', '/derived']) {
        const user = await logIn();
        clock.advance(minutes * MINUTE);
        expect(await user.verdict(`${prefix}/${name}`)).toEqual(good);
        clock.advance(1);
        expect(await user.verdict(`${prefix}/${name}`)).toEqual(stale);
      }
    });
  });

  describe('CheckBan', () => {
    it('refuses from its level on', async () => {
      const user = await logIn();
      expect(await user.verdict('/comment')).toEqual(good);
      await shared.operators.ban(user.userId, { service: 'comment', by: 'admin' });
      expect(await user.verdict('/comment')).toEqual(banned);
      expect(await user.verdict('/comment-2')).toEqual(good);
      expect(await user.verdict('/plain')).toEqual(good);
      await shared.operators.ban(user.userId, { service: 'comment', level: 2, by: 'admin' });
      expect(await user.verdict('/comment-2')).toEqual(banned);
      expect(await user.verdict('/both')).toEqual(good);
      await shared.operators.liftBan(user.userId, { service: 'comment', by: 'admin' });
      expect(await user.verdict('/comment')).toEqual(good);
    });

    it('tells service, level, end and reason', async () => {
      const user = await logIn();
      const until = clock.now() + MINUTE;
      await shared.operators.ban(user.userId, { service: 'comment', level: 4, until, comment: 'spam', by: 'admin' });
      expect((await user.answer('/comment')).json).toEqual({
        statusCode: 403,
        error: 'Forbidden',
        message: defaultMessages.SERVICE_BANNED,
        errorCode: 'SERVICE_BANNED',
        service: 'comment',
        level: 4,
        until: new Date(until).toISOString(),
        reason: 'spam',
      });
      await shared.operators.ban(user.userId, { service: 'comment', by: 'admin' });
      const { json } = await user.answer('/comment');
      expect(json).toMatchObject({ level: 1, until: null });
      expect(json).not.toHaveProperty('reason');
      expect(JSON.stringify(json)).not.toContain('admin');
    });

    it('checks every one of several', async () => {
      const user = await logIn();
      await shared.operators.ban(user.userId, { service: 'upload', by: 'admin' });
      expect(await user.verdict('/both')).toEqual(banned);
      await shared.operators.liftBan(user.userId, { service: 'upload', by: 'admin' });
      expect(await user.verdict('/both')).toEqual(good);
      await shared.operators.ban(user.userId, { service: 'comment', level: 3, by: 'admin' });
      expect(await user.verdict('/both')).toEqual(banned);
    });

    it('on a route takes the place of that on the controller for the same service, and joins it for others', async () => {
      const user = await logIn();
      await shared.operators.ban(user.userId, { service: 'shop', level: 2, by: 'admin' });
      expect(await user.verdict('/strict/inherits')).toEqual(banned);
      expect(await user.verdict('/strict/milder')).toEqual(good);
      expect(await user.verdict('/strict/another')).toEqual(banned);
      await shared.operators.liftBan(user.userId, { service: 'shop', by: 'admin' });
      await shared.operators.ban(user.userId, { service: 'upload', by: 'admin' });
      expect(await user.verdict('/strict/inherits')).toEqual(good);
      expect(await user.verdict('/strict/another')).toEqual(banned);
    });

    it('is inherited with a controller', async () => {
      const user = await logIn();
      await shared.operators.ban(user.userId, { service: 'shop', level: 2, by: 'admin' });
      expect(await user.verdict('/derived/inherits')).toEqual(banned);
      expect(await user.verdict('/derived-more/inherits')).toEqual(banned);
      await shared.operators.liftBan(user.userId, { service: 'shop', by: 'admin' });
      await shared.operators.ban(user.userId, { service: 'upload', by: 'admin' });
      expect(await user.verdict('/derived-more/inherits')).toEqual(banned);
      // The decorator of a subclass says nothing of the class above it, nor of its sisters.
      expect(await user.verdict('/strict/inherits')).toEqual(good);
      expect(await user.verdict('/derived/inherits')).toEqual(good);
    });

    it('is told before the age of the proof', async () => {
      const user = await logIn();
      await shared.operators.ban(user.userId, { service: 'comment', by: 'admin' });
      clock.advance(11 * MINUTE);
      expect(await user.verdict('/everything')).toEqual(banned);
      await shared.operators.liftBan(user.userId, { service: 'comment', by: 'admin' });
      expect(await user.verdict('/everything')).toEqual(stale);
      await shared.sessions.reauthenticate(user.id);
      expect(await user.verdict('/everything')).toEqual(good);
    });
  });

  describe('Sensitive', () => {
    const server = useApp(() => start({ nearCache: { maxEntries: 100 } }));
    beforeAll(() => startCaching(server));

    it.each([
      ['/plain', 0],
      ['/sensitive', 3],
      ['/strict/inherits', 3],
      ['/derived/inherits', 3],
    ])('asks the database every time: %s', async (path, expected) => {
      const user = await logIn({}, server);
      await user.answer('/plain');
      const reads = countQueries();
      for (let request = 0; request < 3; request++) expect(await user.verdict(path)).toEqual(good);
      expect(reads()).toBe(expected);
    });

    it('asks it though a guard before was content with less', async () => {
      const user = await logIn({}, server);
      await user.answer('/plain');
      const guard = guardIn(server.app);
      const { accessToken } = await server.tokens.login(user.userId);
      await server.sendWith(accessToken, { path: '/plain' });
      const request = { headers: { authorization: `Bearer ${accessToken}` } };
      const pass = (handler: string) =>
        guard.canActivate(new ExecutionContextHost([request, {}], PlainController, handlerOf(handler)));
      const reads = countQueries();
      await pass('plain');
      expect(reads()).toBe(0);
      await pass('sensitive');
      expect(reads()).toBe(1);
      // What was found out strictly is enough for all that follow.
      await pass('sensitive');
      await pass('plain');
      expect(reads()).toBe(1);
    });
  });

  describe('NoActivity', () => {
    const counts = async (path: string, lines?: string[], server = shared) => {
      const user = await logIn({}, server);
      clock.advance(MINUTE);
      expect((await user.answer(path, lines)).status).toBe(200);
      const [session] = await server.sessions.list(user.userId);
      return session!.lastSeenAt === clock.now();
    };

    it('keeps a request from counting as a use: by decorator', async () => {
      expect(await counts('/plain')).toBe(true);
      expect(await counts('/quiet')).toBe(false);
      expect(await counts('/quiet-all/all')).toBe(false);
    });

    it('keeps a request from counting as a use: by header', async () => {
      for (const value of ['1', 'true', 'TRUE'])
        expect(await counts('/plain', [`X-No-Activity: ${value}`])).toBe(false);
      expect(await counts('/plain', ['x-no-activity: 1'])).toBe(false);
      for (const value of ['0', 'false', '', 'yes', '11']) {
        expect(await counts('/plain', [`X-No-Activity: ${value}`])).toBe(true);
      }
    });

    it('has a header of the name that the application chose, or none', async () => {
      const [named, none] = [
        await start({ headers: { noActivity: 'X-Polling' } }),
        await start({ headers: { noActivity: false } }),
      ];
      expect(await counts('/plain', ['X-Polling: 1'], named)).toBe(false);
      expect(await counts('/plain', ['X-No-Activity: 1'], named)).toBe(true);
      expect(await counts('/plain', ['X-No-Activity: 1'], none)).toBe(true);
      expect(await counts('/quiet', [], none)).toBe(false);
      await Promise.all([named.close(), none.close()]);
    });
  });
});

describe('the decorators', () => {
  it.each([
    ['CheckBan', () => CheckBan('')],
    ['CheckBan', () => CheckBan('two words')],
    ['CheckBan', () => CheckBan('x'.repeat(65))],
    ['CheckBan', () => CheckBan(undefined as never)],
    ['CheckBan', () => CheckBan('comment', 0)],
    ['CheckBan', () => CheckBan('comment', 1.5)],
    ['CheckBan', () => CheckBan('comment', NaN)],
    ['CheckBan', () => CheckBan('comment', '2' as never)],
    ['RequireFresh', () => RequireFresh(undefined as never)],
    ['RequireFresh', () => RequireFresh('10' as never)],
    ['RequireFresh', () => RequireFresh('0s')],
    ['RequireFresh', () => RequireFresh(600 as never)],
  ])('%s refuses nonsense where a class is defined: %s', (name, make) => {
    const code = name === 'CheckBan' ? 'ARGUMENT_INVALID' : 'CONFIGURATION_INVALID';
    const define = () => make()(class {});
    expect(define).toThrow(expect.objectContaining({ name: 'SessionError', code }));
  });
});

describe('AuthGuard under a subclass', () => {
  @Injectable()
  class ForgetfulGuard extends AuthGuard {
    override getAuthenticateOptions() {
      return { scope: 'all' };
    }
  }

  @Injectable()
  class AddingGuard extends AuthGuard {
    override async getAuthenticateOptions(context: ExecutionContext) {
      return { ...(await super.getAuthenticateOptions(context)), scope: 'all' };
    }
  }

  const server = useApp(() =>
    startApp(adapters[0]!, {
      imports: [SessionModule.forRoot(sessionOptions())],
      controllers: [controllerOf('', { forgetful: [UseGuards(ForgetfulGuard)], adding: [UseGuards(AddingGuard)] })],
    }),
  );

  it.each(['/forgetful', '/adding'])('verifies whatever options it gives to passport: %s', async (path) => {
    const { accessToken } = await server.tokens.login('alice');
    expect(verdict(await server.sendWith(accessToken, { path }))).toEqual(good);
    expect(verdict(await server.send({ path }))).toEqual(missing);
  });

  it('keeps messages of one connection apart that are verified at the same time', async () => {
    const verify = jest.spyOn(Verifier.prototype, 'verify');
    const guard = guardIn(server.app, SocketGuard);
    const { accessToken } = await server.tokens.login('bob');
    const client = { handshake: { headers: { authorization: `Bearer ${accessToken}` } } };
    const handlers = ['sensitive', 'plain', 'quiet', 'sensitive', 'plain'] as const;
    const passes = handlers.map((handler) => {
      const context = new ExecutionContextHost([client, {}], PlainController, handlerOf(handler));
      context.setType('ws');
      return Promise.resolve(guard.canActivate(context));
    });
    expect(await Promise.all(passes)).toEqual(handlers.map(() => true));
    expect(verify.mock.calls.map(([, use]) => use)).toMatchObject([
      { strict: true, activity: true },
      { strict: false, activity: true },
      { strict: false, activity: false },
      { strict: true, activity: true },
      { strict: false, activity: true },
    ]);
  });
});
