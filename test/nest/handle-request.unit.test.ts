import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, type ExecutionContext, ForbiddenException, Get, Injectable, Req, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  CurrentSession,
  CurrentUser,
  Public,
  RequireFresh,
  Sensitive,
  SessionModule,
  multiDevice,
} from 'nestjs-latchkey';
import { Verifier } from 'lib/verifier.js';
import { TokenMint } from '../support/mint.js';
import { SECRET } from '../support/sessions.js';
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

type Hook = (error: unknown, user: unknown, info: unknown, context: ExecutionContext, status: unknown) => unknown;

let hook: Hook | null = null;
let calls: unknown[][] = [];

@Injectable()
class HookedGuard extends AuthGuard {
  override handleRequest<T>(...[error, user, info, context, status]: Parameters<AuthGuard['handleRequest']>): T {
    calls.push([error, user, info, context.getHandler().name, status]);
    return (hook ?? super.handleRequest.bind(this))(error, user, info, context, status) as T;
  }
}

/** The same as a property, which is there only after the constructor of its super class. */
@Injectable()
class PropertyGuard extends AuthGuard {
  override handleRequest = <T>(error: unknown, user: T, info: unknown, context: ExecutionContext): T =>
    (hook ?? super.handleRequest.bind(this))(error, user, info, context, undefined) as T;
}

/** As documented for every passport guard, with another token than the usual one. */
@Injectable()
class CookieGuard extends AuthGuard {
  override getRequest(context: ExecutionContext) {
    const request = super.getRequest(context);
    // With all that a guard before has noted there.
    return { ...request, headers: { authorization: request.headers!.cookie } };
  }

  override getAuthenticateOptions() {
    return { property: 'account', scope: 'all' };
  }
}

interface SeenRequest {
  readonly user?: unknown;
}

@Controller()
class HookedController {
  @Get('me')
  @UseGuards(HookedGuard)
  me(@CurrentUser() user: unknown, @CurrentSession('userId') ofSession: unknown, @Req() request: SeenRequest) {
    return { user, ofSession, same: request.user === user, left: added(request) };
  }
}

/** An application's own guard, which loads more of the user. */
const extending = {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest<{ user: object }>();
    request.user = { ...request.user, name: 'Alice' };
    return true;
  },
};

@Controller()
class ExtendedController {
  @Get('extended')
  @UseGuards(AuthGuard, extending, AuthGuard)
  extended(@Req() { user }: SeenRequest) {
    return { user };
  }
}

const RoutesController = controllerOf('', {
  property: [UseGuards(PropertyGuard)],
  after: [UseGuards(AuthGuard, HookedGuard)],
  before: [UseGuards(HookedGuard, AuthGuard)],
  twice: [UseGuards(HookedGuard, HookedGuard)],
  cookie: [UseGuards(CookieGuard)],
  both: [UseGuards(AuthGuard, CookieGuard)],
  public: [Public(), UseGuards(HookedGuard)],
  sensitive: [Sensitive(), UseGuards(HookedGuard)],
  fresh: [RequireFresh('10m'), UseGuards(HookedGuard)],
});

function added(request: object): readonly string[] {
  return ['login', 'logIn', 'isAuthenticated', 'authInfo', '_sessionManager', 'account'].filter((n) => n in request);
}

const { good, missing, malformed, unknown } = answersOf('users');

describe.each(adapters)('handleRequest of a subclass on $name', (kind) => {
  const server = useApp(() =>
    startApp(kind, {
      imports: [SessionModule.forRoot(sessionOptions({ policy: multiDevice(), nearCache: { maxEntries: 100 } }))],
      controllers: [HookedController, ExtendedController, RoutesController],
    }),
  );
  let token: string;
  const alice = { userId: 'alice', roles: ['user'] };

  beforeAll(async () => {
    await startCaching(server);
    token = (await server.tokens.login('alice', { claims: { roles: ['user'] } })).accessToken;
    // Known in memory, so that a guard without a hook would not ask passport at all.
    for (let use = 0; use < 2; use++) await server.sendWith(token, { path: '/before' });
    calls = [];
  });

  afterEach(() => {
    jest.restoreAllMocks();
    hook = null;
    calls = [];
  });

  it('gets the user as CurrentUser gives it', async () => {
    expect((await server.sendWith(token)).json).toEqual({ user: alice, ofSession: 'alice', same: true, left: [] });
    expect(calls).toEqual([[null, alice, undefined, 'me', undefined]]);
  });

  it('gets false and the reason where there is no good token, as passport has it', async () => {
    const reasons = [
      ['', missing, 401, 'TOKEN_MISSING'],
      ['Bearer x y', malformed, 400, 'TOKEN_MALFORMED'],
      ['Bearer nonsense', unknown, 401, 'TOKEN_INVALID'],
    ] as const;
    for (const [line, answer, status, errorCode] of reasons) {
      calls = [];
      expect(verdict(await server.send({ lines: [`Authorization: ${line}`] }))).toEqual(answer);
      expect(calls).toEqual([[null, false, expect.objectContaining({ errorCode }), 'me', status]]);
    }
  });

  it('refuses by what it throws', async () => {
    hook = (_error, user) => {
      if ((user as typeof alice).roles.includes('user')) throw new ForbiddenException('suspended');
      return user;
    };
    expect(await server.sendWith(token)).toMatchObject({ status: 403, json: { message: 'suspended' } });
    hook = async () => Promise.reject(new ForbiddenException('later'));
    expect(await server.sendWith(token)).toMatchObject({ status: 403, json: { message: 'later' } });
  });

  it('is heard where it is a property', async () => {
    hook = () => 'carol';
    expect((await server.sendWith(token, { path: '/property' })).json).toMatchObject({ user: 'carol' });
  });

  it.each([
    ['an entity', { userId: 'alice', name: 'Alice' }],
    ['text', 'alice'],
  ])('returns the user: %s', async (_title, entity) => {
    hook = async (_error, user) => (user ? Promise.resolve(entity) : null);
    const seen = { user: entity, ofSession: 'alice' };
    expect((await server.sendWith(token)).json).toEqual({ ...seen, same: true, left: [] });
    // What is remembered of the token is not changed by it.
    hook = null;
    expect((await server.sendWith(token)).json).toMatchObject({ user: alice });
  });

  it('judges after another guard has, and is kept by the next', async () => {
    hook = (_error, user) => ({ ...(user as object), seen: true });
    expect((await server.sendWith(token, { path: '/after' })).json).toMatchObject({ user: { ...alice, seen: true } });
    expect((await server.sendWith(token, { path: '/before' })).json).toMatchObject({
      user: { ...alice, seen: true },
      ofSession: 'alice',
    });
    const verify = jest.spyOn(Verifier.prototype, 'verify');
    hook = (_error, user) => ({ times: ((user as { times?: number }).times ?? 0) + 1 });
    expect((await server.sendWith(token, { path: '/twice' })).json).toMatchObject({ user: { times: 2 } });
    expect(verify).toHaveBeenCalledTimes(1);
    hook = () => {
      throw new ForbiddenException();
    };
    for (const path of ['/after', '/before', '/twice']) {
      expect((await server.sendWith(token, { path })).status).toBe(403);
    }
  });

  it('keeps a user that the application has replaced between two guards', async () => {
    const { json } = await server.sendWith(token, { path: '/extended' });
    expect(json).toEqual({ user: { ...alice, name: 'Alice' } });
  });

  it('lets a request pass without a user by null, and with a guest by any other', async () => {
    hook = (_error, user) => user || null;
    for (const line of ['', 'Bearer x y', 'Bearer nonsense']) {
      const { json } = await server.send({ lines: [`Authorization: ${line}`] });
      expect(json).toMatchObject({ user: null, ofSession: null, same: true });
    }
    expect((await server.sendWith(token)).json).toMatchObject({ user: alice, ofSession: 'alice' });
    // A plain guard behind it wants a token all the same.
    expect(verdict(await server.send({ path: '/before' }))).toEqual(missing);
    hook = () => ({ guest: true });
    expect((await server.send()).json).toMatchObject({ user: { guest: true }, ofSession: null, same: true });
    expect(verdict(await server.send({ path: '/before' }))).toEqual(missing);
  });

  it.each(['/sensitive', '/fresh'])('lets nobody pass a route that asks something of the session: %s', async (path) => {
    for (const returned of [null, { guest: true }]) {
      hook = (_error, user) => user || returned;
      expect(verdict(await server.send({ path }))).toEqual(missing);
      expect(verdict(await server.sendWith('nonsense', { path }))).toEqual(unknown);
      expect(verdict(await server.sendWith(token, { path }))).toEqual(good);
    }
  });

  it('that only forgets to return, or returns the false that it got, lets nobody pass', async () => {
    for (const returned of [undefined, false]) {
      hook = () => returned;
      expect(verdict(await server.send())).toEqual(missing);
      expect(verdict(await server.sendWith('nonsense'))).toEqual(unknown);
      expect((await server.sendWith(token)).status).toBe(500);
    }
  });

  it('makes no verdict of what could not be judged', async () => {
    const { session } = await server.tokens.login('alice');
    const newer = new TokenMint(SECRET).mint('at', session.id, 2).token;
    for (const answer of [(_: unknown, user: unknown) => user || null, () => ({ guest: true }), null]) {
      hook = answer;
      expect(verdict(await server.sendWith(newer))).toMatchObject({ status: 503 });
    }
    expect(calls[0]).toEqual([expect.objectContaining({ status: 503 }), undefined, undefined, 'me', undefined]);
  });

  it('is not called on a public route', async () => {
    expect((await server.sendWith(token, { path: '/public' })).json).toMatchObject({ user: null });
    expect(calls).toEqual([]);
  });

  it('has the other hooks do what they do in every passport guard', async () => {
    const cookie = `Cookie: Bearer ${token}`;
    expect((await server.send({ path: '/cookie', lines: [cookie] })).json).toMatchObject({ user: alice, same: true });
    expect(verdict(await server.sendWith(token, { path: '/cookie' }))).toEqual(missing);
    // Another credential than the one that a guard before has verified.
    const { accessToken } = await server.tokens.login('bob');
    expect(verdict(await server.sendWith(accessToken, { path: '/both' }))).toEqual(missing);
    expect((await server.sendWith(accessToken, { path: '/both', lines: [cookie] })).json).toMatchObject({
      user: alice,
    });
    await expect(new (class extends AuthGuard {})().logIn()).rejects.toThrow('Call TokenService.login');
  });
});
