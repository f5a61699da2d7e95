import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, ForbiddenException, Get, type INestApplication, Post, UseGuards } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  AuthGuard,
  CurrentSession,
  CurrentUser,
  OperatorService,
  RequireRole,
  SessionModule,
  type SessionModuleOptions,
  type UserSession,
  accessAndRefresh,
  both,
  cookies,
  multiDevice,
} from 'nestjs-latchkey';
import { type TestUser, SessionTestingModule, actingAs, fakeAuthGuard } from 'nestjs-latchkey/testing';
import { SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { WebSocket } from 'ws';
import { identityOf } from 'lib/identity.js';
import { sqliteOptions } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { useEnd } from '../support/use-database.js';
import { adapters } from '../nest/http-app.js';

@UseGuards(AuthGuard)
@Controller('orders')
class OrdersController {
  @Get('mine')
  mine(@CurrentUser() user: { userId: string } | null, @CurrentSession('id') sessionId: string | null) {
    return { user, sessionId };
  }

  @RequireRole('admin')
  @Post()
  create(@CurrentUser('userId') userId: string, @CurrentSession() { deviceType }: UserSession) {
    if (deviceType === 'tv') throw new ForbiddenException();
    return { by: userId };
  }
}

@WebSocketGateway()
class EchoGateway {
  @SubscribeMessage('me')
  me(@CurrentUser('userId') userId: string) {
    return { event: 'me', data: userId };
  }
}

const alice = { userId: 'alice', claims: { roles: ['admin'] } } satisfies TestUser;

async function call(app: INestApplication, headers: Readonly<Record<string, string>> = {}, method = 'POST') {
  const path = method === 'POST' ? '/orders' : '/orders/mine';
  const answer = await fetch((await app.getUrl()) + path, { method, headers });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe('SessionTestingModule and actingAs', () => {
  const atEnd = useEnd();

  async function start(options?: Partial<SessionModuleOptions>, [adapter] = adapters) {
    const module = await Test.createTestingModule({
      imports: [SessionTestingModule.forRoot(options)],
      controllers: [OrdersController],
    }).compile();
    const app = module.createNestApplication(adapter!.create(), { logger: false });
    atEnd(() => app.close());
    await app.listen(0, '127.0.0.1');
    return app;
  }

  it.each([
    ['no options at all', undefined],
    ['two tokens', { tokens: accessAndRefresh() }],
    ['cookies', { transport: cookies() }],
    ['two cookies', { transport: cookies(), tokens: accessAndRefresh(), realm: 'staff' }],
    ['both', { transport: both() }],
  ])('prove a login to an application with %s, on both adapters', async (_name, options) => {
    for (const adapter of adapters) {
      const app = await start(options, [adapter]);
      const user = await actingAs(app, alice);
      expect(await call(app, user.headers)).toEqual({ status: 201, body: { by: 'alice' } });
      const mine = await call(app, user.headers, 'GET');
      expect(mine.body).toEqual({ user: { roles: ['admin'], userId: 'alice' }, sessionId: user.sessionId });
      expect(await call(app)).toMatchObject({ status: 401, body: { errorCode: 'TOKEN_MISSING' } });
      expect(Object.keys(user.headers)).toEqual(
        options && 'transport' in options && options.transport.kind === 'cookies'
          ? ['Cookie', 'X-Requested-With']
          : ['Authorization'],
      );
    }
  });

  it('give what clients of sockets and GraphQL send, and the refresh token where there is one', async () => {
    const app = await start({ tokens: accessAndRefresh(), transport: cookies() });
    const user = await actingAs(app, { userId: 42, deviceType: 'phone' });
    expect(user).toMatchObject({ userId: '42', session: { id: user.sessionId, deviceType: 'phone' } });
    expect(user.auth).toEqual({ token: user.token });
    expect(user.connectionParams).toEqual({ Authorization: `Bearer ${user.token}` });
    expect(user.headers.Cookie).toBe(`__Host-session=${user.token}; __Secure-session-refresh=${user.refreshToken}`);
  });

  it('open a WebSocket, which knows its user', async () => {
    const module = await Test.createTestingModule({
      imports: [SessionTestingModule.forRoot()],
      providers: [EchoGateway],
    }).compile();
    const app = module.createNestApplication();
    atEnd(() => app.close());
    app.useWebSocketAdapter(new SessionWsAdapter(app));
    await app.listen(0, '127.0.0.1');
    const socket = new WebSocket((await app.getUrl()).replace('http', 'ws'), [
      ...(await actingAs(app, alice)).protocols,
    ]);
    atEnd(() => socket.terminate());
    socket.on('open', () => socket.send(JSON.stringify({ event: 'me', data: {} })));
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(String(message))).toEqual({ event: 'me', data: 'alice' });
  });

  it('open real sessions: ruled by the policy and by rules of routes, ended by operators', async () => {
    const app = await start();
    const [first, second] = [await actingAs(app, alice), await actingAs(app, alice)];
    expect(await call(app, first.headers)).toMatchObject({ status: 401, body: { errorCode: 'SESSION_REPLACED' } });
    const guest = await actingAs(app, { userId: 'guest' });
    expect(await call(app, guest.headers)).toMatchObject({ status: 403 });
    await app.get(OperatorService).kickUser('alice', { by: 'root' });
    expect(await call(app, second.headers)).toMatchObject({ status: 401, body: { errorCode: 'SESSION_KICKED' } });
    await expect(actingAs(app, { userId: '' })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
  });

  it('take the place of the SessionModule that an application imports', async () => {
    const sessions = SessionModule.forRoot({ secret: SECRET, database: { type: 'postgres', host: '192.0.2.1' } });
    const module = await Test.createTestingModule({ imports: [sessions], controllers: [OrdersController] })
      .overrideModule(sessions)
      .useModule(SessionTestingModule.forRoot({ policy: multiDevice() }))
      .compile();
    atEnd(() => module.close());
    await actingAs(module, alice);
  });

  it('leave nothing open', async () => {
    // Connections of earlier tests may close meanwhile, so that there are fewer.
    const open = () => process.getActiveResourcesInfo().length;
    const before = open();
    const module = await Test.createTestingModule({ imports: [SessionTestingModule.forRoot()] }).compile();
    await module.init();
    await actingAs(module, alice);
    await module.close();
    expect(open()).toBeLessThanOrEqual(before);
  });

  it('ask for the realm where an application has several, and for a module where it has none', async () => {
    const realm = (name: string) => SessionTestingModule.forRoot({ realm: name });
    const module = await Test.createTestingModule({ imports: [realm('staff'), realm('users')] }).compile();
    atEnd(() => module.close());
    expect((await actingAs(module, { ...alice, realm: 'staff' })).session.userId).toBe('alice');
    const refusal = (user: TestUser, app: TestingModule = module) =>
      actingAs(app, user).then(String, (error: Error & { code: string }) => `${error.code} ${error.message}`);
    expect(await refusal(alice)).toBe(
      'CONFIGURATION_INVALID actingAs needs the option realm: the application has "staff", "users".',
    );
    expect(await refusal({ ...alice, realm: 'guests' })).toContain('"staff", "users", not one of "guests"');
    expect(await refusal('alice' as never)).toContain('actingAs needs a user');
    const empty = await Test.createTestingModule({}).compile();
    expect(await refusal(alice, empty)).toContain('import SessionModule or SessionTestingModule');
  });

  it('say what is wrong with options, and which driver is missing', () => {
    expect(() => SessionTestingModule.forRoot(null as never)).toThrow('needs an object of options');
    const home = process.cwd();
    process.chdir('/');
    try {
      expect(() => SessionTestingModule.forRoot()).toThrow(/no SQLite driver in \/: .*npm install --save-dev libsql/);
      expect(SessionTestingModule.forRoot({ database: sqliteOptions(':memory:') })).toBeDefined();
    } finally {
      process.chdir(home);
    }
  });
});

describe('fakeAuthGuard', () => {
  let app: INestApplication | undefined;
  afterEach(() => app?.close());

  async function start(user: Parameters<typeof fakeAuthGuard>[0]): Promise<INestApplication> {
    const module = await Test.createTestingModule({ controllers: [OrdersController] })
      .overrideGuard(AuthGuard)
      .useValue(fakeAuthGuard(user))
      .compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    return app;
  }

  it('gives a controller its user and session, with no module of the library, and asks for nothing', async () => {
    await start({ ...alice, id: 'f'.repeat(32), deviceType: 'tv' });
    const mine = { user: { roles: ['admin'], userId: 'alice' }, sessionId: 'f'.repeat(32) };
    expect(await call(app!, {}, 'GET')).toEqual({ status: 200, body: mine });
    expect((await call(app!)).status).toBe(403);
    await app!.close();
    await start({ userId: 7 });
    expect(await call(app!)).toEqual({ status: 201, body: { by: '7' } });
  });

  it('gives null to anonymous requests, whatever they send', async () => {
    await start(null);
    const none = { user: null, sessionId: null };
    expect((await call(app!, { Authorization: 'Bearer x' }, 'GET')).body).toEqual(none);
  });

  it.each<[string, unknown[]]>([
    ['graphql', [undefined, {}, { req: {} }, { path: { key: 'me' } }]],
    ['ws', [{ id: 'socket' }, { text: 'hello' }]],
    ['rpc', [{ text: 'hello' }, { getPattern: () => 'me' }]],
  ])('works in a context of type %s', (type, args) => {
    const context = new ExecutionContextHost(args, OrdersController, () => undefined);
    context.setType(type);
    expect(fakeAuthGuard({ userId: 'alice' }).canActivate(context)).toBe(true);
    expect(identityOf(context)).toMatchObject({ user: { userId: 'alice' }, session: { userId: 'alice' } });
  });

  it.each([
    ['no user', undefined, 'null for anonymous'],
    ['an empty id', { userId: '' }, 'must not be empty'],
    ['claims that are no object', { userId: 'a', claims: [1] }, 'claims'],
  ])('refuses %s', (_name, user, problem) => {
    expect(() => fakeAuthGuard(user as never)).toThrow(problem);
  });
});
