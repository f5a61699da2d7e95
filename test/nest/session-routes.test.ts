import { describe, expect, it } from '@jest/globals';
import {
  Body,
  Controller,
  Injectable,
  Module,
  Post,
  RequestMethod,
  type Type,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import {
  LoginDetails,
  Public,
  type Reauthenticator,
  SessionAnswer,
  SessionModule,
  type SessionModuleOptions,
  SessionRoutesModule,
  type SessionRoutesOptions,
  TokenService,
  type UserSession,
  accessAndRefresh,
  bearer,
  both,
  cookies,
  fixed,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { HTTPS, SAME_ORIGIN, cookieLine, cookiesOf } from './cookie-app.js';
import {
  type AdapterKind,
  type HttpApp,
  type RawAnswer,
  type StartOptions,
  adapters,
  json,
  sessionOptions,
  startApp,
  useApp,
} from './http-app.js';

@Injectable()
class Passwords implements Reauthenticator {
  reauthenticate({ userId }: UserSession, password: string) {
    if (password === 'a second factor') return { amr: ['pwd', 'otp'] };
    return Promise.resolve(password === `${userId}-password`);
  }
}

@Controller()
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Public()
  @SessionAnswer()
  @Post('login')
  login(@Body() { user }: { readonly user: string }, @LoginDetails() from: LoginDetails) {
    return this.tokens.login(user, { ...from, claims: { roles: ['a,b', 'é'], plan: { pro: true }, level: 3 } });
  }
}

function start(
  kind: AdapterKind,
  module: Partial<SessionModuleOptions> = {},
  routes: SessionRoutesOptions = {},
  options: StartOptions = {},
): Promise<HttpApp> {
  @Module({ providers: [Passwords] })
  class PasswordsModule {}
  return startApp(
    kind,
    {
      imports: [
        SessionModule.forRoot({
          ...sessionOptions({ tokens: accessAndRefresh(), policy: multiDevice(), ...module }),
          isGlobal: true,
        }),
        PasswordsModule,
        SessionRoutesModule.forRoot(routes),
      ],
      controllers: [LoginController],
    },
    { trustProxy: true, ...options },
  );
}

const ITEM = {
  sessionId: expect.any(String),
  current: false,
  impersonated: false,
  deviceType: null,
  deviceName: null,
  ip: '127.0.0.1',
  userAgent: null,
  createdAt: expect.any(String),
  lastSeenAt: expect.any(String),
  expiresAt: expect.any(String),
  idleMs: null,
  refreshMs: null,
};

/** Clients by transport: the lines with which each sends what a login or refresh gave it. */
const CLIENTS = [
  { name: 'bearer', transport: bearer(), byCookie: false },
  { name: 'cookies', transport: cookies(), byCookie: true },
  { name: 'both, as an app', transport: both(), byCookie: false },
  { name: 'both, as a browser', transport: both(), byCookie: true },
].flatMap((client) =>
  [
    { mode: 'accessAndRefresh', tokens: accessAndRefresh(), hasRefresh: true },
    { mode: 'sliding', tokens: sliding(), hasRefresh: false },
    { mode: 'fixed', tokens: fixed(), hasRefresh: false },
  ].map((mode) => ({ ...client, ...mode })),
);

describe.each(adapters)('SessionRoutesModule on $name', (kind) => {
  it.each(CLIENTS)('$name, $mode: the life of a session', async ({ transport, tokens, byCookie, hasRefresh }) => {
    const app = await start(kind, { transport, tokens }, { reauthenticate: Passwords });
    const own = byCookie ? SAME_ORIGIN : HTTPS;
    const call = (held: RawAnswer, method: string, path: string, body: object = {}) => {
      const token = byCookie ? cookieLine(held, path) : `Authorization: Bearer ${String(held.json.accessToken)}`;
      const { lines, ...request } = json(path, body, method);
      return app.send({ ...(method === 'GET' ? { path } : request), lines: [...lines, ...own, token] });
    };
    const login = () => logIn(app, '/login', own);
    try {
      let held = await login();
      const [other, third] = [await login(), await login()];
      const list = await call(held, 'GET', '/auth/sessions');
      expect([list.status, list.headers['cache-control']]).toEqual([200, 'no-store']);
      const current = { ...ITEM, sessionId: held.json.sessionId, current: true };
      expect(list.json.items).toEqual([ITEM, ITEM, current]);

      const refreshed = await call(
        held,
        'POST',
        '/auth/refresh',
        byCookie ? {} : { refreshToken: held.json.refreshToken ?? 'none' },
      );
      if (hasRefresh) {
        expect(refreshed).toMatchObject({ status: 200, json: { sessionId: held.json.sessionId } });
        expect(byCookie ? Object.keys(cookiesOf(refreshed)) : Object.keys(refreshed.json)).toHaveLength(
          byCookie ? 2 : 7,
        );
        held = refreshed;
      } else {
        expect(refreshed.status).toBe(401);
      }

      expect((await call(held, 'POST', '/auth/reauthenticate', { password: 'wrong' })).json.errorCode).toBe(
        'BAD_CREDENTIALS',
      );
      const proved = async () => {
        const { reauthenticatedAt, amr } = (await app.sessions.find(String(held.json.sessionId)))!;
        return [reauthenticatedAt, amr];
      };
      expect(await proved()).toEqual([null, []]);
      expect((await call(held, 'POST', '/auth/reauthenticate', { password: 'a second factor' })).status).toBe(204);
      expect(await proved()).toEqual([expect.any(Number), ['pwd', 'otp']]);
      expect((await call(held, 'POST', '/auth/reauthenticate', { password: 'alice-password' })).status).toBe(204);
      expect(await proved()).toEqual([expect.any(Number), []]);

      const stranger = await app.tokens.login('bob');
      const end = (id: unknown) => call(held, 'DELETE', `/auth/sessions/${String(id)}`);
      expect((await end(other.json.sessionId)).status).toBe(204);
      for (const id of [other.json.sessionId, stranger.session.id, 'none']) {
        expect((await end(id)).json.errorCode).toBe('SESSION_NOT_FOUND');
      }
      expect(await call(held, 'POST', '/auth/logout-others')).toMatchObject({ status: 200, json: { ended: 1 } });
      expect((await call(third, 'GET', '/auth/sessions')).json.errorCode).toBe('SESSION_LOGGED_OUT');

      const logout = await call(held, 'POST', '/auth/logout');
      expect([logout.status, logout.text]).toEqual([204, '']);
      if (byCookie) expect(Object.values(cookiesOf(logout)).map(({ value }) => value)).toEqual(['', '']);
      expect(await app.sessions.list('alice')).toEqual([]);
      expect(await app.sessions.list('bob')).toHaveLength(1);
    } finally {
      await app.close();
    }
  });

  describe('input', () => {
    const app = useApp(() => start(kind, {}, { path: 'me/auth', reauthenticate: Passwords }));

    it.each<[string, string, string, object | null]>([
      ['POST', '/refresh', 'token is unknown; allowed: refreshToken.', { token: 'x' }],
      ['POST', '/refresh', 'refreshToken must be a string, given once.', { refreshToken: 5 }],
      ['POST', '/refresh', 'refreshToken must not be empty: omit it.', { refreshToken: '' }],
      ['POST', '/refresh', 'refreshToken must be at most', { refreshToken: 'x'.repeat(20_000) }],
      ['POST', '/refresh', 'The body must be a JSON object.', []],
      ['POST', '/refresh?a=1', 'a is unknown; no fields are allowed here.', {}],
      ['POST', '/logout', 'all is unknown; allowed: refreshToken.', { all: true }],
      ['GET', '/sessions?userId=bob', 'userId is unknown; no fields are allowed here.', null],
      ['DELETE', '/sessions/x', 'by is unknown; no fields are allowed here.', { by: 'root' }],
      ['POST', '/logout-others', 'except is unknown; no fields are allowed here.', { except: 'x' }],
      ['POST', '/reauthenticate', 'password is required.', {}],
      ['POST', '/reauthenticate', 'password must be a string, given once.', { password: ['x'] }],
      ['POST', '/reauthenticate', 'password must be at most 1024 characters long.', { password: 'x'.repeat(1025) }],
      ['POST', '/reauthenticate', 'code is unknown; allowed: password.', { password: 'x', code: 1 }],
    ])('%s %s is refused: %s', async (method, path, message, body) => {
      const { accessToken } = await app.tokens.login('strict');
      const request = body === null ? { path: `/me/auth${path}` } : json(`/me/auth${path}`, body, method);
      const answer = await app.sendWith(accessToken, request);
      expect(answer).toMatchObject({ status: 400, json: { errorCode: 'ARGUMENT_INVALID' } });
      expect(answer.json.message).toContain(message);
    });

    it.each(['GET /sessions', 'DELETE /sessions/x', 'POST /logout-others', 'POST /reauthenticate'])(
      '%s needs a token',
      async (route) => {
        const [method, path] = route.split(' ');
        expect((await app.send({ method, path: `/me/auth${path}` })).json.errorCode).toBe('TOKEN_MISSING');
      },
    );

    it('logs out by a refresh token alone', async () => {
      const { refreshToken } = await app.tokens.login('gone');
      expect((await app.send(json('/me/auth/logout', { refreshToken }))).status).toBe(204);
      expect(await app.sessions.list('gone')).toEqual([]);
    });

    it('has no route for login, and none that no option asks for', async () => {
      const statuses = ['login', 'verify'].map(async (path) => (await app.send(json(`/me/auth/${path}`, {}))).status);
      expect(await Promise.all(statuses)).toEqual([404, 404]);
    });
  });

  it.each<[string, SessionRoutesOptions, StartOptions['configure'], string]>([
    ['/auth/refresh', {}, undefined, '/login'],
    ['/my/auth/refresh', { path: 'my/auth' }, undefined, '/login'],
    ['/api/auth/refresh', {}, (app) => app.setGlobalPrefix('/api/'), '/api/login'],
    ['/auth/refresh', {}, (app) => app.setGlobalPrefix('api', { exclude: ['auth/refresh'] }), '/api/login'],
    [
      '/api/auth/refresh',
      {},
      (app) => app.setGlobalPrefix('api', { exclude: [{ path: 'auth/*path', method: RequestMethod.GET }] }),
      '/api/login',
    ],
    [
      '/api/v2/auth/refresh',
      {},
      (app) => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: ['2', '1'] }),
      '/api/v1/login',
    ],
    [
      '/auth/refresh',
      {},
      (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'V', defaultVersion: VERSION_NEUTRAL }),
      '/login',
    ],
  ])('sends the refresh cookie to %s, where the route is: %j', async (path, routes, configure, loginPath) => {
    const app = await start(kind, { transport: cookies() }, routes, { configure });
    try {
      const login = await logIn(app, loginPath);
      expect(cookiesOf(login)['__Secure-session-refresh']!.attributes).toContain(`Path=${path};`);
      const refresh = { method: 'POST', path, lines: [...SAME_ORIGIN, cookieLine(login, path)] };
      expect((await app.send(refresh)).status).toBe(200);
    } finally {
      await app.close();
    }
  });

  it('lets the option refreshPath say what browsers see', async () => {
    const app = await start(kind, { transport: cookies({ refreshPath: '/seen/refresh' }) });
    try {
      const { attributes } = cookiesOf(await logIn(app))['__Secure-session-refresh']!;
      expect(attributes).toContain('Path=/seen/refresh;');
    } finally {
      await app.close();
    }
  });

  it('serves two realms, each under its own path', async () => {
    const realm = (name: string, path: string) => {
      const sessions = SessionModule.forRoot(sessionOptions({ realm: name }));
      return [sessions, SessionRoutesModule.forRoot({ path, imports: [sessions] })];
    };
    const app = await startApp(kind, { imports: [...realm('users', 'auth'), ...realm('staff', 'staff/auth')] });
    try {
      const { accessToken } = await app.tokens.login('alice');
      const statuses = ['/auth', '/staff/auth'].map(
        async (path) => (await app.sendWith(accessToken, { path: `${path}/sessions` })).status,
      );
      expect((await Promise.all(statuses)).sort()).toEqual([200, 401]);
    } finally {
      await app.close();
    }
  });
});

function logIn(app: HttpApp, path = '/login', own: readonly string[] = SAME_ORIGIN): Promise<RawAnswer> {
  const { lines, ...request } = json(path, { user: 'alice' });
  return app.send({ ...request, lines: [...lines, ...own] });
}

describe('the options of SessionRoutesModule', () => {
  it.each<[string, object | null]>([
    ['option "login" is unknown; allowed: gateway, imports, path, reauthenticate.', { login: true }],
    ['option "path" must be a path such as', { path: '/auth' }],
    ['option "path" must be a path such as', { path: 'a/../b' }],
    ['option "reauthenticate" must be the class of a provider', { reauthenticate: true }],
    ['option "reauthenticate" must be the class of a provider', { reauthenticate: 'Passwords' }],
    ['option "gateway.header" is unknown; allowed: claims, renew.', { gateway: { header: 'X' } }],
    ['option "gateway" must be an object', { gateway: 1 }],
    ['option "gateway.renew" must be true or false.', { gateway: { renew: 'yes' } }],
    ['option "gateway.claims" must be an object', { gateway: { claims: ['roles'] } }],
    ['option "gateway.claims.a" must be the name of an HTTP header', { gateway: { claims: { a: 'X Roles' } } }],
    ['option "gateway.claims.a" must be the name of an HTTP header', { gateway: { claims: { a: 'x-user-id' } } }],
    ['option "gateway.claims.b" must be the name of an HTTP header', { gateway: { claims: { a: 'X', b: 'x' } } }],
    ['must be an object', null],
  ])('are checked: %s %j', (message, options) => {
    expect(() => SessionRoutesModule.forRoot(options as SessionRoutesOptions)).toThrow(
      expect.objectContaining({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringMatching(/^SessionRoutesModule /),
      }),
    );
    expect(() => SessionRoutesModule.forRoot(options as SessionRoutesOptions)).toThrow(message);
  });

  it.each<[string, Type]>([
    ['which no module provides', class Missing {}],
    ['which needs a method reauthenticate(session, password)', LoginController],
  ])('stop the boot for a class of passwords %s', async (message, type) => {
    const reauthenticate = type as Type<Reauthenticator>;
    await expect(start(adapters[0]!, {}, { reauthenticate })).rejects.toThrow(message);
  });
});
