import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  All,
  Controller,
  type DynamicModule,
  Get,
  Injectable,
  type ModuleMetadata,
  Param,
  Req,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { PassportModule } from '@nestjs/passport';
import { AuthGuard, CurrentSession, CurrentUser, Public, SessionModule } from 'nestjs-latchkey';
import passport, { Strategy } from 'passport';
import { Verifier } from 'lib/verifier.js';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import {
  adapters,
  answersOf,
  controllerOf,
  guardIn,
  sessionOptions,
  SocketGuard,
  startApp,
  startCaching,
  useApp,
  verdict,
} from './http-app.js';

const { good, missing } = answersOf('users');
const globalGuard = { provide: APP_GUARD, useClass: AuthGuard };
const passportGuard = () => ({ provide: APP_GUARD, useClass: PassportGuard });

interface FastifyInstance {
  decorateRequest(name: string, value: unknown): unknown;
}

/** A guard of an application, beside the one that it extends. */
@Injectable()
class StricterGuard extends AuthGuard {}

/** Overrides a hook, so that passport runs. */
@Injectable()
class PassportGuard extends AuthGuard {
  override handleRequest<T>(...args: Parameters<AuthGuard['handleRequest']>): T {
    return super.handleRequest(...args) as T;
  }
}

let handled: string[] = [];

@Controller()
class GlobalController {
  @Get('me')
  me(@CurrentUser() user: unknown, @CurrentSession('id') id: unknown) {
    handled.push('me');
    return { user, id };
  }

  @All('all')
  all() {
    handled.push('all');
    return {};
  }

  @Public()
  @Get('public')
  open(@CurrentUser() user: unknown, @CurrentUser('userId') id: unknown, @CurrentSession() session: unknown) {
    return { none: [user, id, session].every((value) => value === null) };
  }

  @Get('user/:property')
  property(@CurrentUser('userId') userId: unknown, @CurrentUser('constructor') constructor: unknown) {
    return { userId, constructor: String(constructor) };
  }
}

const OpenController = controllerOf('open', { open: [], guarded: [UseGuards(AuthGuard)] }, Public());
const GuardedController = controllerOf('routes', { closed: [], public: [Public()] }, UseGuards(AuthGuard));
const thrice = controllerOf('', { thrice: [UseGuards(AuthGuard, StricterGuard)] });
const controllers = [GlobalController, OpenController, thrice];
const session = (options?: Parameters<typeof sessionOptions>[0]): DynamicModule =>
  SessionModule.forRoot(sessionOptions(options));
const root = (metadata: ModuleMetadata = {}): ModuleMetadata => ({
  controllers,
  providers: [globalGuard],
  ...metadata,
  imports: [session(), ...(metadata.imports ?? [])],
});

beforeEach(() => void (handled = []));

afterEach(() => void jest.restoreAllMocks());

describe.each(adapters)('AuthGuard for all routes on $name', (kind) => {
  const server = useApp(() => startApp(kind, root()));
  let token: string;
  beforeAll(async () => (token = (await server.tokens.login('alice')).accessToken));

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('A27: guards %s', async (method) => {
    const answer = await server.send({ method, path: '/all' });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, missing.challenge]);
    expect(handled).toEqual([]);
    const accepted = await server.sendWith(token, { method, path: '/all' });
    expect([accepted.status, handled]).toEqual([200, ['all']]);
  });

  it('A27: HEAD and OPTIONS of a GET route run no handler', async () => {
    const head = await server.send({ method: 'HEAD' });
    expect([head.status, head.text, head.headers['www-authenticate']]).toEqual([401, '', missing.challenge]);
    // Express answers OPTIONS with the methods of a path by itself, Fastify does not know the route.
    await server.send({ method: 'OPTIONS' });
    expect(handled).toEqual([]);
    expect((await server.sendWith(token, { method: 'HEAD' })).status).toBe(200);
  });

  it('leaves open what is Public, on a handler and on a class', async () => {
    expect((await server.send({ path: '/public' })).json).toEqual({ none: true });
    expect((await server.sendWith(token, { path: '/public' })).json).toEqual({ none: true });
    expect((await server.sendWith('nonsense', { path: '/public' })).status).toBe(200);
    expect((await server.send({ path: '/open/open' })).status).toBe(200);
    expect((await server.send({ path: '/open/guarded' })).status).toBe(200);
  });

  it('takes null, which other libraries put in place of a user, for none', async () => {
    const nulling = await startApp(kind, root(), {
      configure: (app) =>
        kind.name === 'Fastify'
          ? (app.getHttpAdapter().getInstance() as FastifyInstance).decorateRequest('user', null)
          : app.use((request: { user: unknown }, _response: unknown, next: () => void) => {
              request.user = null;
              next();
            }),
    });
    expect((await nulling.send({ path: '/public' })).json).toEqual({ none: true });
    expect(verdict(await nulling.send())).toEqual(missing);
    await nulling.close();
  });

  it('verifies once, however many guards a route has', async () => {
    const verify = jest.spyOn(Verifier.prototype, 'verify');
    expect((await server.sendWith(token, { path: '/thrice' })).status).toBe(200);
    expect(verify).toHaveBeenCalledTimes(1);
    expect((await server.sendWith(token, { path: '/thrice' })).status).toBe(200);
    expect(verify).toHaveBeenCalledTimes(2);
  });

  it('hands out own properties only', async () => {
    const answer = await server.sendWith(token, { path: '/user/constructor' });
    expect(answer.json).toEqual({ userId: 'alice', constructor: 'undefined' });
  });
});

/** Spellings of /me, and of nothing. */
const paths = [
  ...'/me /me/ /me// //me /./me /%2e/me /x/../me /public/../me /public/%2e%2e/me /public/..%2fme'.split(' '),
  ...'/public;/../me /ME /mE/ /%6de /%6D%65 /m%2565 /me;a=b /me;/public /me%3Ba=b /;/me /me%2f /me%00'.split(' '),
  ...'/me%20 /me%0a /me%23 /me. /me.json /me? /me?/public /me?path=/public&_method=OPTIONS /me%3fx'.split(' '),
  ...'/me\\ /\\me /me%5c /me%c0%af /me/%2e /me/./ /me* * http://localhost/me http://public/me /m\u00eb'.split(' '),
];

describe.each(adapters)('spellings of a path on $name', (kind) => {
  it.each([false, true])('A28: none gets past the guard (lenient routing: %s)', async (lenientPaths) => {
    const server = await startApp(kind, root(), { lenientPaths });
    try {
      const { accessToken } = await server.tokens.login('alice');
      const reached: string[] = [];
      for (const path of paths) {
        const answer = await server.send({ path });
        expect({ path, handled, status: answer.status }).toEqual({ path, handled: [], status: expect.any(Number) });
        // What a router takes for /public is open.
        const isPublic = answer.json.none === true;
        expect([400, 401, 404]).toContain(isPublic && path.startsWith('/public') ? 404 : answer.status);
        await server.sendWith(accessToken, { path });
        if (handled.includes('me')) reached.push(path);
        handled = [];
        if (reached.includes(path)) expect({ path, ...verdict(answer) }).toEqual({ path, ...missing });
      }
      // The matrix means something only if several spellings do reach the route.
      expect(reached).toEqual(expect.arrayContaining(['/me', '/me?/public', 'http://localhost/me']));
      if (lenientPaths)
        expect(reached).toEqual(
          expect.arrayContaining(['/me/', '/ME', '//me'].slice(0, kind.name === 'Fastify' ? 3 : 2)),
        );
    } finally {
      await server.close();
    }
  });
});

class OtherStrategy extends Strategy {
  override authenticate(): void {
    (this as unknown as Actions).success({ userId: 'mallory' });
  }
}

describe.each(adapters)('PassportModule in the application on $name', (kind) => {
  beforeAll(() => {
    passport.use('other', new OtherStrategy());
  });

  afterAll(() => {
    passport.unuse('other');
  });

  it.each([
    ['another strategy', { defaultStrategy: 'other' }],
    ['several strategies', { defaultStrategy: ['other', 'session'] }],
    ['another property and passport sessions', { defaultStrategy: 'other', property: 'account', session: true }],
  ])('M10: its options do not change what AuthGuard does: %s', async (_title, options) => {
    const { send, sendWith, tokens, close } = await startApp(kind, {
      imports: [session(), PassportModule.register(options)],
      controllers: [...controllers, GuardedController],
      providers: [passportGuard()],
    });
    const login = await tokens.login('alice');
    for (const path of ['/me', '/routes/closed', '/thrice']) {
      expect(verdict(await send({ path }))).toEqual(missing);
      expect(verdict(await sendWith(login.accessToken, { path }))).toEqual(good);
    }
    expect((await sendWith(login.accessToken)).json).toMatchObject({ user: { userId: 'alice' } });
    await close();
  });
});

interface Actions {
  pass(): void;
  fail(challenge?: number): void;
  success(user: unknown): void;
  error(error: Error): void;
}

type Authenticate = (this: Actions) => void;

describe.each(adapters)('a strategy on $name that does not do its work', (kind) => {
  const server = useApp(() => startApp(kind, root({ providers: [passportGuard()] })));
  let token: string;
  let strategy: { authenticate: Authenticate };

  beforeAll(async () => {
    token = (await server.tokens.login('alice')).accessToken;
    const { strategyName } = server.app.get(SessionAuthenticator, { strict: false });
    const { _strategies: registry } = passport as unknown as { _strategies: Record<string, typeof strategy> };
    strategy = registry[strategyName]!;
  });

  afterEach(() => {
    delete (strategy as Partial<typeof strategy>).authenticate;
  });

  const ways: readonly [string, (actions: Actions) => void][] = [
    ['pass()', (actions) => actions.pass()],
    ['fail()', (actions) => actions.fail()],
    ['fail(200)', (actions) => actions.fail(200)],
    ['success() without a user', (actions) => actions.success(undefined)],
    ['success() with a user of its own', (actions) => actions.success({ userId: 'mallory' })],
    ['success() with a list', (actions) => actions.success(['alice'])],
  ];

  it.each(ways)('A29, A33, M8, M9: %s is a 401 with a challenge', async (_title, act) => {
    strategy.authenticate = function () {
      act(this);
    };
    expect(verdict(await server.sendWith(token))).toEqual(missing);
    expect(verdict(await server.send())).toEqual(missing);
    expect(handled).toEqual([]);
  });

  it('A40: an error in it is a 500 that says nothing', async () => {
    strategy.authenticate = function () {
      this.error(new Error('SELECT secret FROM session'));
    };
    expect(await server.sendWith(token)).toMatchObject({
      status: 500,
      json: { statusCode: 500, message: 'Internal server error' },
    });
    expect(handled).toEqual([]);
  });
});

describe('AuthGuard in other contexts', () => {
  const server = useApp(() => startApp(adapters[0]!, root()));
  let token: string;
  let guard: AuthGuard;
  let socketGuard: AuthGuard;

  beforeAll(async () => {
    const { app } = server;
    token = (await server.tokens.login('alice')).accessToken;
    [guard, socketGuard] = [guardIn(app), guardIn(app, SocketGuard)];
  });

  const contextOf = (type: string, ...args: unknown[]) => {
    const context = new ExecutionContextHost(args, GlobalController, () => undefined);
    context.setType(type);
    return context;
  };

  it.each(['rpc', 'ws', 'HTTP'])('A31: a context of type "%s" is refused', async (type) => {
    const verify = jest.spyOn(Verifier.prototype, 'verify');
    const payload = { headers: { authorization: `Bearer ${token}` } };
    await expect(guard.canActivate(contextOf(type, payload, payload))).rejects.toThrow(
      /cannot guard a context of type|only behind an adapter of nestjs-latchkey\/websockets/,
    );
    expect(guard.getResponse(contextOf(type, payload, payload))).toBeNull();
    expect(verify).not.toHaveBeenCalled();
    expect(payload).not.toHaveProperty('user');
  });

  it('A31, A72: a connection that stays open is verified for every message', async () => {
    const { tokens, operators } = server;
    const { accessToken, session: opened } = await tokens.login('bob');
    const client = { handshake: { headers: { authorization: `Bearer ${accessToken}` } } };
    await expect(socketGuard.canActivate(contextOf('ws', client, 'first'))).resolves.toBe(true);
    await operators.kick(opened.id, { by: 'admin' });
    await expect(socketGuard.canActivate(contextOf('ws', client, 'second'))).rejects.toMatchObject({ status: 401 });
  });
});

describe.each(adapters)('the user of a request on $name', (kind) => {
  let change: (user: never, session: never) => unknown;

  @Controller()
  class ChangingController {
    @Get('me')
    me(@CurrentUser() user: never, @CurrentSession() current: never) {
      return change(user, current);
    }

    @Get('plain')
    plain(@Req() request: { user: unknown }, @CurrentUser() user: unknown, @CurrentUser('roles') roles: unknown) {
      return { same: request.user === user, user, roles };
    }

    @Get('session/:id')
    session(@CurrentSession() current: { claims: unknown; userId: string }, @Param('id') id: string) {
      return { claims: current.claims, userId: current.userId, id };
    }
  }

  // With a near cache, so that requests share what was read.
  const server = useApp(() =>
    startApp(kind, {
      imports: [session({ nearCache: { maxEntries: 100 } })],
      controllers: [ChangingController],
      providers: [globalGuard],
    }),
  );
  beforeAll(() => startCaching(server));

  const changes: readonly [string, (user: Changeable, session: Changeable) => unknown][] = [
    ['a new property of the user', (user) => (user.admin = true)],
    ['a property of the user', (user) => (user.userId = 'root')],
    ['a list in the user', (user) => user.roles.push('admin')],
    ['an object in the user', (user) => (user.address.city = 'Paris')],
    ['an object in a list in the user', (user) => (user.teams[0]!.lead = true)],
    ['a property of the session', (_user, current) => (current.userId = 'root')],
    ['the claims of the session', (_user, current) => (current.claims.admin = true)],
    ['a list in the claims of the session', (_user, current) => current.claims.roles.push('admin')],
    ['the prototype of the user', (user) => Object.setPrototypeOf(user, { admin: true })],
  ];

  it.each(changes)('A70: a handler cannot change it for the next request: %s', async (_title, changer) => {
    const claims = { roles: ['user'], address: { city: 'Rome' }, teams: [{ lead: false }] };
    const { accessToken } = await server.tokens.login('alice', { claims });
    const view = async () => ({
      user: (await server.sendWith(accessToken, { path: '/plain' })).json,
      session: (await server.sendWith(accessToken, { path: '/session/1' })).json,
    });
    const before = await view();
    expect(before).toMatchObject({ user: { user: { ...claims, userId: 'alice' } }, session: { claims } });
    change = changer;
    await server.sendWith(accessToken);
    expect(await view()).toEqual(before);
  });

  it('A116: keeps no address that is none, whatever a proxy passes on', async () => {
    const behindProxy = await startApp(kind, root(), { trustProxy: true });
    const { tokens, sessions, sendWith, close } = behindProxy;
    const { accessToken } = await tokens.login('alice');
    const addressAfter = async (forwarded: string) => {
      await sendWith(accessToken, { lines: [`X-Forwarded-For: ${forwarded}`] });
      return (await sessions.list('alice'))[0]!.lastIp;
    };
    expect(await addressAfter('203.0.113.7')).toBe('203.0.113.7');
    expect(await addressAfter('203.0.113.9:51234')).toBe('203.0.113.9');
    expect(await addressAfter('[2001:db8::7]:51234')).toBe('2001:db8::7');
    for (const forged of ['<script>alert(1)</script>', 'x'.repeat(300), `fe80::1%${'e'.repeat(300)}`, 'unknown']) {
      expect(await addressAfter(forged)).toBe('2001:db8::7');
    }
    await close();
  });
});

interface Changeable {
  [name: string]: unknown;
  userId: string;
  roles: string[];
  address: { city: string };
  teams: { lead: boolean }[];
  claims: Changeable;
}

it('A97: names of methods of objects are names of claims like any other', async () => {
  const server = await startApp(adapters[0]!, root());
  const claims = { toString: 'a', hasOwnProperty: 1, then: 'b', toJSON: 'c' };
  const { accessToken } = await server.tokens.login('carol', { claims });
  expect((await server.sendWith(accessToken)).json).toMatchObject({ user: { ...claims, userId: 'carol' } });
  await server.close();
});
