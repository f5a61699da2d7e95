import { describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, Get, Inject, Injectable, Module, UseGuards } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import {
  AuthGuard,
  CheckBan,
  CurrentSession,
  CurrentUser,
  OptionalAuth,
  Public,
  RequireClaims,
  RequireFresh,
  RequireRole,
  Sensitive,
  SessionModule,
  cookies,
} from 'nestjs-latchkey';
import { adapters, sessionOptions, startApp, useApp, verdict } from './http-app.js';
import { HTTPS } from './cookie-app.js';

const role = RequireRole as (...roles: string[]) => ClassDecorator & MethodDecorator;
const claims = RequireClaims as (required: object) => ClassDecorator & MethodDecorator;

/** Passport's usual way to make a login optional. */
class NullGuard extends AuthGuard {
  override handleRequest<T>(_error: unknown, user: T): T {
    return (user || null) as T;
  }
}

@Controller()
class Routes {
  @OptionalAuth()
  @Get('home')
  home(@CurrentUser() user: unknown, @CurrentSession('id') sessionId: string | null) {
    return { user, hasSession: sessionId !== null };
  }

  @OptionalAuth({ ignoreInvalid: true })
  @Get('lenient')
  lenient(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @UseGuards(NullGuard)
  @Get('null')
  nullable(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @OptionalAuth()
  @CheckBan('comment')
  @Get('comments')
  comments(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }
}

@Controller('staff')
@UseGuards(AuthGuard)
@role('auditor', 'admin')
class StaffRoutes {
  @Get('reports')
  reports() {
    return {};
  }

  @role('owner')
  @Get('owner')
  owner() {
    return {};
  }

  @Public()
  @Get('open')
  open() {
    return {};
  }

  @OptionalAuth()
  @Get('about')
  about(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @claims({ plan: 'pro', tags: ['a', 'b'], address: { city: 'Ulm' } })
  @Get('claims')
  claims() {
    return {};
  }
}

const imports = (options = {}) => [SessionModule.forRoot({ ...sessionOptions(options), isGlobal: true })];

describe.each(adapters)('optional logins and roles on $name', (kind) => {
  const app = useApp(() => startApp(kind, { imports: imports(), controllers: [Routes, StaffRoutes] }));
  const login = async (user: string, given: object = {}) =>
    (await app.tokens.login(user, { claims: given as never })).accessToken;

  it('an optional route admits without a token, gives the user of a good one, and refuses a bad one with its reason', async () => {
    expect(await app.send({ path: '/home' })).toMatchObject({ status: 200, json: { user: null, hasSession: false } });
    const token = await login('alice', { n: 1 });
    expect((await app.sendWith(token, { path: '/home' })).json).toEqual({
      user: { n: 1, userId: 'alice' },
      hasSession: true,
    });
    await app.operators.kickUser('alice', { by: 'root' });
    for (const [bad, errorCode, status] of [
      [token, 'SESSION_KICKED', 401],
      ['unknown', 'TOKEN_INVALID', 401],
      ['a b', 'TOKEN_MALFORMED', 400],
    ] as const) {
      expect(verdict(await app.sendWith(bad, { path: '/home' }))).toMatchObject({ status, errorCode });
      expect(await app.sendWith(bad, { path: '/lenient' })).toMatchObject({ status: 200, json: { userId: null } });
    }
  });

  it('a guard that returns "user || null" makes the login optional', async () => {
    expect(await app.send({ path: '/null' })).toMatchObject({ status: 200, json: { userId: null } });
    expect((await app.sendWith(await login('bob'), { path: '/null' })).json).toEqual({ userId: 'bob' });
  });

  it('a rule of an optional route holds for those who are logged in', async () => {
    const token = await login('carol');
    await app.operators.ban('carol', { service: 'comment', by: 'root' });
    expect((await app.sendWith(token, { path: '/comments' })).json.errorCode).toBe('SERVICE_BANNED');
    expect((await app.send({ path: '/comments' })).json).toEqual({ userId: null });
  });

  it.each([
    [{}, 403],
    [{ roles: [] }, 403],
    [{ roles: ['user'] }, 403],
    [{ roles: 'admin' }, 403],
    [{ roles: { 0: 'admin' } }, 403],
    [{ roles: [['admin']] }, 403],
    [{ role: 'admin' }, 403],
    [{ roles: ['user', 'admin'] }, 200],
    [{ roles: ['auditor'] }, 200],
  ])('one of the roles is needed: with %j it is %i', async (given, status) => {
    const answer = await app.sendWith(await login('dave', given), { path: '/staff/reports' });
    expect(answer.status).toBe(status);
    if (status === 403) {
      expect(answer.json).toMatchObject({ errorCode: 'FORBIDDEN', missing: { roles: ['auditor', 'admin'] } });
      expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"');
    }
  });

  it('the nearest decorator wins', async () => {
    const token = await login('erin', { roles: ['admin'] });
    expect((await app.sendWith(token, { path: '/staff/owner' })).json).toMatchObject({ missing: { roles: ['owner'] } });
    expect((await app.send({ path: '/staff/open' })).status).toBe(200);
    expect((await app.send({ path: '/staff/about' })).json).toEqual({ userId: null });
    expect((await app.sendWith(await login('frank'), { path: '/staff/about' })).json).toEqual({ userId: 'frank' });
    expect((await app.send({ path: '/staff/reports' })).json.errorCode).toBe('TOKEN_MISSING');
  });

  it.each([
    [{}, ['plan', 'tags', 'address']],
    [{ plan: 'pro', tags: ['b', 'a', 'c'], address: { city: 'Ulm' } }, []],
    [{ plan: 'pro', tags: ['a'], address: { city: 'Ulm' } }, ['tags']],
    [{ plan: ['free', 'pro'], tags: ['a', 'b'], address: { city: 'Ulm', zip: 1 } }, ['address']],
    [{ plan: 'Pro', tags: 'a', address: null }, ['plan', 'tags', 'address']],
  ])('all of the claims are needed: %j lacks %j', async (given, missing) => {
    const token = await login('gina', { ...given, roles: ['admin'] });
    const answer = await app.sendWith(token, { path: '/staff/claims' });
    expect(answer.status).toBe(missing.length > 0 ? 403 : 200);
    expect(Object.keys((answer.json.missing as { claims?: object } | undefined)?.claims ?? {})).toEqual(missing);
  });
});

describe.each(adapters)('an optional login by cookie on $name', (kind) => {
  const app = useApp(() =>
    startApp(kind, { imports: imports({ transport: cookies() }), controllers: [Routes] }, { trustProxy: true }),
  );

  it('keeps shared caches from either answer', async () => {
    const { accessToken } = await app.tokens.login('alice');
    for (const cookie of [[], [`Cookie: __Host-session=${accessToken}`]]) {
      for (const path of ['/home', '/null']) {
        const { status, headers } = await app.send({ path, lines: [...HTTPS, ...cookie] });
        expect([status, headers['cache-control'], headers.vary]).toEqual([200, 'private', 'Cookie']);
      }
    }
  });
});

describe('a boot with rules that cannot hold', () => {
  const boot = async (controller: new () => object, providers: object[] = []) => {
    @Module({ imports: imports(), controllers: [controller], providers: providers as never[] })
    class Root {}
    const app = await NestFactory.create(Root, { logger: false, abortOnError: false });
    try {
      await app.init();
    } finally {
      await app.close();
    }
  };
  const controllerWith = (...decorators: MethodDecorator[]) => {
    class Orders {
      list() {
        return {};
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Orders.prototype, 'list')!;
    for (const decorate of [Get(), ...decorators]) decorate(Orders.prototype, 'list', descriptor);
    Controller('orders')(Orders);
    return Orders;
  };
  /** Runs AuthGuard itself. */
  @Injectable()
  class Composed implements CanActivate {
    constructor(@Inject(AuthGuard) readonly guard: AuthGuard) {}
    canActivate() {
      return true;
    }
  }
  const RULES = [
    ['RequireRole', role('admin')],
    ['RequireClaims', claims({ plan: 'pro' })],
    ['RequireFresh', RequireFresh('5m')],
    ['CheckBan', CheckBan('comment')],
    ['Sensitive', Sensitive(true)],
  ] as const;

  it.each(RULES)('stops for @%s() without AuthGuard, naming the handler', async (name, rule) => {
    const message = new RegExp(`Orders\\.list\\(\\) has @${name}\\(\\), but no AuthGuard`);
    await expect(boot(controllerWith(rule))).rejects.toThrow(message);
    await boot(controllerWith(rule, UseGuards(AuthGuard)));
    await boot(controllerWith(rule, UseGuards(NullGuard)));
    await boot(controllerWith(rule), [{ provide: APP_GUARD, useClass: AuthGuard }]);
    await boot(controllerWith(rule, UseGuards(Composed)), [AuthGuard]);
  });

  it('stops for a guard that was made by hand', async () => {
    const message = 'Orders.list() is guarded by new AuthGuard(), which Nest gives no sessions';
    await expect(boot(controllerWith(UseGuards(new AuthGuard())))).rejects.toThrow(message);
    const everywhere = { provide: APP_GUARD, useValue: new AuthGuard() };
    await expect(boot(controllerWith(), [everywhere])).rejects.toThrow(message);
  });

  it.each(RULES)('stops for @Public() beside @%s()', async (name, rule) => {
    const wrong = boot(controllerWith(rule, Public(true), UseGuards(AuthGuard)));
    await expect(wrong).rejects.toThrow(`Orders.list() has both @Public() and @${name}()`);
  });

  it.each([
    ['@Public() and @OptionalAuth()', Public(true)],
    ['@OptionalAuth() and @RequireRole()', role('admin')],
    ['@OptionalAuth() and @RequireClaims()', claims({ plan: 'pro' })],
  ])('stops for %s', async (names, rule) => {
    await expect(boot(controllerWith(rule, OptionalAuth()))).rejects.toThrow(`Orders.list() has both ${names}`);
  });

  it.each([
    ['RequireRole', () => role()],
    ['RequireRole', () => role('')],
    ['RequireRole', () => role(5 as never)],
    ['RequireClaims', () => claims({})],
    ['RequireClaims', () => claims(null as never)],
    ['RequireClaims', () => claims(['admin'])],
    ['RequireClaims', () => claims({ plan: undefined })],
    ['RequireClaims', () => claims({ plan: 'pro', tags: [] })],
  ])('stops for @%s() with nothing to require', (name, decorate) => {
    expect(decorate).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
    expect(decorate).toThrow(`@${name}() needs`);
  });
});
