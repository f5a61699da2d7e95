import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type DynamicModule, Get, Inject, Injectable, Module, Post, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  AuthGuard,
  CurrentUser,
  InjectOperators,
  InjectSessions,
  InjectTokens,
  InjectVerifier,
  OperatorService,
  OptionalAuth,
  Public,
  Sensitive,
  SessionModule,
  SessionService,
  SessionVerifier,
  TokenService,
  getTokenServiceToken,
} from 'nestjs-latchkey';
import { RpcAuthGuard } from 'nestjs-latchkey/microservices';
import { type HttpApp, adapters, sessionOptions, startApp } from './http-app.js';

/** Injected into a guard with a constructor of its own. */
@Injectable()
class Suspensions {
  readonly suspended = new Set<string>();
}

@Injectable()
class UnsuspendedGuard extends AuthGuard.for('staff') {
  constructor(private readonly suspensions: Suspensions) {
    super();
  }

  override handleRequest<T>(...[error, user, info, context, status]: Parameters<AuthGuard['handleRequest']>): T {
    const { userId } = (user || {}) as { userId?: string };
    const isSuspended = userId !== undefined && this.suspensions.suspended.has(userId);
    return super.handleRequest(error, isSuspended ? false : user, info, context, status) as T;
  }
}

@Controller()
class Routes {
  constructor(
    @InjectTokens('users') readonly users: TokenService,
    @InjectTokens('staff') readonly staff: TokenService,
    @InjectSessions('staff') readonly staffSessions: SessionService,
    @InjectOperators('staff') readonly staffOperators: OperatorService,
    @InjectVerifier('staff') readonly staffVerifier: SessionVerifier,
    @Inject(getTokenServiceToken('users')) readonly byToken: TokenService,
    readonly suspensions: Suspensions,
  ) {}

  @UseGuards(AuthGuard.for('users'))
  @Get('user')
  user(@CurrentUser() user: unknown) {
    return { user };
  }

  @UseGuards(AuthGuard.for('staff'))
  @Post('staff')
  member(@CurrentUser() user: unknown) {
    return { user };
  }

  @UseGuards(UnsuspendedGuard)
  @Get('unsuspended')
  unsuspended(@CurrentUser() user: unknown) {
    return { user };
  }

  @OptionalAuth({ realm: 'staff' })
  @Get('optional')
  optional(@CurrentUser() user: unknown) {
    return { user };
  }
}

const realm = (name: string, more: object = {}) => SessionModule.forRoot(sessionOptions({ realm: name, ...more }));
const async = (name: string, made = name) =>
  SessionModule.forRootAsync({ realm: name, useFactory: () => sessionOptions({ realm: made }) });

describe.each([
  ['forRoot', realm],
  ['forRootAsync', async],
])('two realms in one module, by %s', (_name, make) => {
  let app: HttpApp;
  let routes: Routes;
  beforeAll(async () => {
    const imports = [make('users'), make('staff')];
    app = await startApp(adapters[0]!, { imports, controllers: [Routes], providers: [Suspensions] });
    routes = app.app.get(Routes);
  });
  afterAll(() => app.close());

  it('are told apart by guards and services', async () => {
    const [alice, carol] = [await routes.users.login('alice'), await routes.staff.login('carol')];
    const statusOf = async (path: string, token: string, method = 'GET') =>
      (await app.sendWith(token, { path, method })).json;
    expect(await statusOf('/user', alice.accessToken)).toEqual({ user: { userId: 'alice' } });
    expect(await statusOf('/user', carol.accessToken)).toMatchObject({ errorCode: 'TOKEN_INVALID' });
    expect(await statusOf('/staff', carol.accessToken, 'POST')).toEqual({ user: { userId: 'carol' } });
    expect(await statusOf('/staff', alice.accessToken, 'POST')).toMatchObject({ errorCode: 'TOKEN_INVALID' });
    expect(await statusOf('/optional', carol.accessToken)).toEqual({ user: { userId: 'carol' } });
    expect(await statusOf('/optional', alice.accessToken)).toMatchObject({ errorCode: 'TOKEN_INVALID' });
    expect(routes.byToken).toBe(routes.users);
    expect(routes.staffVerifier).toBeInstanceOf(SessionVerifier);
    expect((await routes.staffSessions.list('carol')).map(({ id }) => id)).toEqual([carol.session.id]);
    expect(await routes.staffOperators.kick(carol.session.id, { by: 'root' })).toBe(true);
    expect(await statusOf('/staff', carol.accessToken, 'POST')).toMatchObject({ errorCode: 'SESSION_KICKED' });
  });

  it('have guards whose subclasses have constructors of their own', async () => {
    const { accessToken } = await routes.staff.login('dora');
    const path = '/unsuspended';
    expect((await app.sendWith(accessToken, { path })).json).toEqual({ user: { userId: 'dora' } });
    routes.suspensions.suspended.add('dora');
    expect((await app.sendWith(accessToken, { path })).status).toBe(401);
  });

  it('have one guard for each', () => {
    expect(AuthGuard.for('staff')).toBe(AuthGuard.for('staff'));
    expect(AuthGuard.for('staff')).not.toBe(AuthGuard.for('users'));
  });

  it.each([
    ['AuthGuard.for', (realm: string) => AuthGuard.for(realm)],
    ['RpcAuthGuard.for', (realm: string) => RpcAuthGuard.for(realm)],
    ['InjectTokens', InjectTokens],
    ['InjectSessions', InjectSessions],
    ['InjectOperators', InjectOperators],
    ['InjectVerifier', InjectVerifier],
    ['getTokenServiceToken', getTokenServiceToken],
  ])('are named by text alone in %s', (call, use) => {
    const unfit = { undefined: undefined, null: null, 'an empty text': '', number: 7, object: { realm: 'staff' } };
    for (const [given, realm] of Object.entries(unfit)) {
      const message = `${call} needs the realm of a SessionModule, such as ${call}('staff'), and was given ${given}.`;
      expect(() => use(realm as never)).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID', message }));
    }
  });
});

describe('a route that is open to all realms', () => {
  const boot = async (route: MethodDecorator[], type: ClassDecorator[]) => {
    class Doors {
      enter() {
        return {};
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Doors.prototype, 'enter')!;
    for (const decorate of [Get(), ...route]) decorate(Doors.prototype, 'enter', descriptor);
    for (const decorate of [Controller('doors'), ...type]) decorate(Doors);
    const providers = [{ provide: APP_GUARD, useClass: AuthGuard.for('users') }, Suspensions];
    const imports = [realm('users'), realm('staff')];
    await (await startApp(adapters[0]!, { imports, controllers: [Doors], providers })).close();
  };
  const staff = UseGuards(AuthGuard.for('staff'));

  it.each<[string, MethodDecorator[], ClassDecorator[]]>([
    ['on the route', [Public(), staff], []],
    ['on the controller', [], [Public(), staff]],
    ['by a subclass', [Public(), UseGuards(UnsuspendedGuard)], []],
  ])('stops the boot beside the guard of one: %s', async (_title, route, type) => {
    await expect(boot(route, type)).rejects.toThrow('Doors.enter() has both @Public() and AuthGuard.for()');
  });

  it.each<[string, MethodDecorator[], ClassDecorator[]]>([
    ['by itself', [Public()], [staff]],
    ['not, for a rule of its own', [Sensitive()], [Public(), staff]],
  ])('is one %s', async (_title, route, type) => boot(route, type));
});

@Injectable()
class ByClass {
  constructor(readonly tokens: TokenService) {}
}

@Injectable()
class ByProperty {
  @Inject(SessionService) readonly sessions!: SessionService;
}

@Controller()
class Guarded {
  @UseGuards(AuthGuard)
  @Get()
  get() {
    return {};
  }
}

@Module({ imports: [realm('staff')], exports: [SessionModule] })
class StaffModule {}

@Module({ imports: [StaffModule], providers: [ByClass] })
class FeatureModule {}

describe('a part that two realms provide', () => {
  const both = [realm('users'), realm('staff')];
  const global = SessionModule.forRoot({ ...sessionOptions({ realm: 'users' }), isGlobal: true });
  const verifier = { provide: 'composed', inject: [SessionVerifier], useFactory: (one: unknown) => one };
  it.each<[string, Pick<DynamicModule, 'imports' | 'providers' | 'controllers'>, string]>([
    [
      'the constructor of a provider',
      { imports: both, providers: [ByClass] },
      'ByClass in RootModule is given TokenService',
    ],
    ['a property', { imports: both, providers: [ByProperty] }, 'ByProperty in RootModule is given SessionService'],
    ['a factory', { imports: both, providers: [verifier] }, 'composed in RootModule is given SessionVerifier'],
    [
      'a guard of a route',
      { imports: both, controllers: [Guarded] },
      'AuthGuard in RootModule is given the SessionModule',
    ],
    [
      'a global guard',
      { imports: both, providers: [{ provide: APP_GUARD, useClass: AuthGuard }] },
      'is given the SessionModule',
    ],
    [
      'a module with one that it imports, and a global one',
      { imports: [global, FeatureModule] },
      'ByClass in FeatureModule',
    ],
  ])('stops the boot where it is injected without a realm into %s', async (_where, root, message) => {
    class RootModule {}
    Module(root)(RootModule);
    const started = startApp(adapters[0]!, { imports: [RootModule] });
    await expect(started.then(({ close }) => close())).rejects.toThrow(message);
    await expect(startApp(adapters[0]!, { imports: [RootModule] })).rejects.toThrow(
      /AuthGuard\.for\('(users|staff)'\)/,
    );
  });

  it('is injected by class where the module sees one alone', async () => {
    class RootModule {}
    Module({ imports: [realm('users'), FeatureModule] })(RootModule);
    const { app, close } = await startApp(adapters[0]!, { imports: [RootModule] });
    const { accessToken } = await app.get(ByClass, { strict: false }).tokens.login('erin');
    expect(accessToken).toMatch(/^ses_at_/);
    await close();
  });

  it.each([
    ['another realm than its options', { imports: [async('staff', 'users')] }, 'return the same realm'],
    [
      'no realm of that name',
      { imports: [realm('users')], controllers: [Routes], providers: [Suspensions] },
      /realm: "staff"/,
    ],
  ])('stops the boot with %s', async (_what, root, message) => {
    await expect(startApp(adapters[0]!, root)).rejects.toThrow(message);
  });
});
