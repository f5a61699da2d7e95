import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import { UseGuards } from '@nestjs/common';
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
  SessionError,
  type UserSession,
  cookies,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionIoAdapter, onSessionChange, sessionOf } from 'nestjs-latchkey/websockets';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { type Socket, io } from 'socket.io-client';
import { Verifier } from 'lib/verifier.js';
import { MEASURED_D, type Node, partsOf, useNodes } from '../../test/support/doors.js';
import { timed, until } from '../../test/support/until.js';
import { ChatModule } from './chat.js';

const configure = (app: Node['app']) => app.useWebSocketAdapter(new SessionIoAdapter(app));
const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.disconnect();
});

const MINUTE = 60_000;

interface Client {
  readonly socket: Socket;
  /** Every event that came, in order. */
  readonly events: (readonly [string, Record<string, unknown>])[];
  readonly refusal: Record<string, unknown> | null;
  /** Answer of a message: its acknowledgement, or the event `exception`. */
  readonly ask: (event: string, payload?: unknown) => Promise<unknown>;
}

/** Connects, or is refused. */
async function connect(url: string, token?: unknown, options: object = {}): Promise<Client> {
  const auth = token === undefined ? {} : { token };
  const socket = io(url, { auth, transports: ['websocket'], forceNew: true, reconnection: false, ...options });
  open.push(socket);
  const events: [string, Record<string, unknown>][] = [];
  socket.onAny((event: string, data: Record<string, unknown>) => events.push([event, data]));
  socket.on('disconnect', (reason) => events.push(['disconnect', { reason }]));
  const refusal = await new Promise<Record<string, unknown> | null>((resolve) => {
    socket.once('connect', () => resolve(null));
    socket.once('connect_error', (error) => resolve((error as { data?: object }).data as Record<string, unknown>));
  });
  const ask = (event: string, payload: unknown = null) =>
    new Promise<unknown>((resolve) => {
      const refused = (error: unknown) => resolve({ exception: error });
      socket.once('exception', refused);
      socket.emit(event, payload, (answer: unknown) => {
        socket.off('exception', refused);
        resolve(answer);
      });
    });
  return { socket, events, refusal, ask };
}

const refusedWith = (errorCode: string, more: object = {}) => ({
  exception: expect.objectContaining({ status: 'error', errorCode, message: expect.any(String), ...more }),
});

describe('the example for socket.io', () => {
  const start = useNodes();
  let one: Node;
  let other: Node;
  beforeAll(async () => {
    const session = { timing: MEASURED_D.timing };
    one = await start(partsOf(ChatModule), { configure, session });
    other = await start(partsOf(ChatModule), { configure, session });
  });

  const logIn = async (name = 'alice') => {
    const answer = await fetch(`${one.url}/login/${name}`, { method: 'POST' });
    return (await answer.json()) as { accessToken: string; session: { id: string } };
  };

  it('answers what is public, and optional, without a token', async () => {
    const { ask, refusal } = await connect(one.url);
    expect(refusal).toBeNull();
    expect(await ask('public')).toEqual({ hello: 'everyone' });
    expect(await ask('optional')).toEqual({ user: null });
  });

  it('refuses what is protected without a token', async () => {
    const { ask } = await connect(one.url);
    expect(await ask('me')).toEqual(refusedWith('TOKEN_MISSING'));
  });

  it('knows the user of a token', async () => {
    const { accessToken } = await logIn();
    const { ask } = await connect(one.url, accessToken);
    const user = { name: 'alice', userId: 'alice' };
    expect(await ask('me')).toEqual(user);
    expect(await ask('optional')).toEqual({ user });
    expect(await ask('public')).toEqual({ hello: 'everyone' });
  });

  it('brings what users say to all devices of another', async () => {
    const [alice, bob] = await Promise.all([logIn('alice'), logIn('bob')]);
    const [from, to] = await Promise.all([connect(one.url, alice.accessToken), connect(one.url, bob.accessToken)]);
    from.socket.emit('say', { to: 'bob', text: 'hello' });
    await until(() => to.events.length > 0);
    expect(to.events).toEqual([['said', { from: 'alice', text: 'hello' }]]);
  });

  it.each([
    ['an unknown token', 'ses_at_unknown', 'TOKEN_INVALID'],
    ['text that is no token', 'two words', 'TOKEN_MALFORMED'],
    ['an object', { token: 'x' }, 'TOKEN_MALFORMED'],
    ['a number', 7, 'TOKEN_MALFORMED'],
    ['a huge token', 'x'.repeat(500_000), 'TOKEN_MALFORMED'],
  ])('refuses a connection with %s', async (_, token, errorCode) => {
    const { refusal, socket } = await connect(one.url, token);
    expect(refusal).toEqual({ status: 'error', message: expect.any(String), errorCode });
    expect(socket.connected).toBe(false);
  });

  it('reads a header, no query, and no two tokens', async () => {
    const [first, second] = await Promise.all([logIn(), logIn()]);
    const header = (token: string) => ({ extraHeaders: { authorization: `Bearer ${token}` } });
    const { ask } = await connect(one.url, undefined, header(first.accessToken));
    expect(await ask('me')).toMatchObject({ userId: 'alice' });
    const both = await connect(one.url, second.accessToken, header(first.accessToken));
    expect(both.refusal).toMatchObject({ errorCode: 'TOKEN_MALFORMED' });
    const query = await connect(one.url, undefined, { query: { token: first.accessToken } });
    expect(await query.ask('me')).toEqual(refusedWith('TOKEN_MISSING'));
  });

  it('does not take a payload for a user', async () => {
    const { ask } = await connect(one.url);
    const payload = { user: { userId: 'root' }, latchkey: { user: { userId: 'root' } }, token: 'x' };
    expect(await ask('optional', payload)).toEqual({ user: null });
    expect(await ask('me', payload)).toEqual(refusedWith('TOKEN_MISSING'));
  });

  it('closes exactly the sockets of a session that is kicked on another node, within D', async () => {
    const [kicked, kept] = await Promise.all([logIn(), logIn()]);
    const clients = await Promise.all([kicked, kicked, kept].map(({ accessToken }) => connect(one.url, accessToken)));
    const [first, second, third] = clients as [Client, Client, Client];
    await other.operators.kick(kicked.session.id, { by: 'root' });
    const { ms } = await timed(until(() => [first, second].every(({ socket }) => !socket.connected)));
    expect(ms).toBeLessThan(MEASURED_D.ms);
    for (const { events } of [first, second]) {
      expect(events).toEqual([
        ['session-ended', { errorCode: 'SESSION_KICKED', endedAt: expect.any(String) }],
        ['disconnect', { reason: 'io server disconnect' }],
      ]);
    }
    expect(await third.ask('me')).toMatchObject({ userId: 'alice' });
    expect((await connect(one.url, kicked.accessToken)).refusal).toMatchObject({ errorCode: 'SESSION_KICKED' });
  });
});

@UseGuards(AuthGuard)
@WebSocketGateway({ namespace: 'rules' })
class RulesGateway {
  @SubscribeMessage('session')
  session(@CurrentSession('id') id: string, @ConnectedSocket() socket: object) {
    return { id, same: sessionOf(socket)?.id === id };
  }

  @RequireRole('admin')
  @SubscribeMessage('role')
  role() {
    return true;
  }

  @RequireClaims({ plan: 'pro' })
  @SubscribeMessage('claims')
  claims() {
    return true;
  }

  @RequireFresh('1m')
  @SubscribeMessage('fresh')
  fresh() {
    return true;
  }

  @RequireFresh('1m', { amr: ['mfa'] })
  @SubscribeMessage('proved')
  proved() {
    return true;
  }

  @CheckBan('chat')
  @SubscribeMessage('ban')
  ban() {
    return true;
  }

  @Sensitive()
  @SubscribeMessage('sensitive')
  sensitive() {
    return true;
  }

  @SubscribeMessage('throw')
  throw(@MessageBody() code: 'SESSION_NOT_FOUND') {
    throw new SessionError(code);
  }
}

@WebSocketGateway({ namespace: /^\/room-\d+$/ })
class RoomGateway {
  @SubscribeMessage('me')
  me(@CurrentUser() user: unknown) {
    return user;
  }
}

@WebSocketGateway({ namespace: 'lenient' })
class LenientGateway {
  @OptionalAuth({ ignoreInvalid: true })
  @SubscribeMessage('who')
  who(@CurrentUser() user: unknown) {
    return { user };
  }

  @SubscribeMessage('me')
  me(@CurrentUser() user: unknown) {
    return user;
  }
}

@Public()
@WebSocketGateway({ namespace: 'open' })
class OpenGateway {
  @SubscribeMessage('who')
  who(@CurrentUser() user: unknown) {
    return { user };
  }
}

describe('messages behind SessionIoAdapter', () => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());
  let node: Node;
  beforeAll(async () => {
    const providers = [RulesGateway, RoomGateway, OpenGateway, LenientGateway];
    const stepUp = { status: 401, acrValues: { mfa: 'urn:example:aal2' } } as const;
    node = await start({ providers }, { configure, session: { clock, stepUp, tokens: sliding({ maxAge: '285m' }) } });
  });
  const logIn = () => node.tokens.login('alice');
  const enter = async (namespace: string, token?: string) => connect(`${node.url}${namespace}`, token);

  it('keep the rules of their handlers, alone and beside AuthGuard', async () => {
    const { accessToken, session } = await logIn();
    const { ask } = await enter('/rules', accessToken);
    expect(await ask('session')).toEqual({ id: session.id, same: true });
    expect(await ask('role')).toEqual(refusedWith('FORBIDDEN', { missing: { roles: ['admin'] } }));
    expect(await ask('claims')).toEqual(refusedWith('FORBIDDEN', { missing: { claims: { plan: 'pro' } } }));
    expect(await Promise.all(['fresh', 'ban', 'sensitive'].map((event) => ask(event)))).toEqual([true, true, true]);
    await node.operators.ban('alice', { by: 'root', service: 'chat', comment: 'spam' });
    clock.advance(2 * MINUTE);
    expect(await ask('ban')).toEqual(refusedWith('SERVICE_BANNED', { service: 'chat', reason: 'spam' }));
    expect(await ask('fresh')).toEqual(refusedWith('FRESH_LOGIN_REQUIRED', { maxAge: 60 }));
    await node.sessions.updateClaims(session.id, { roles: ['admin'], plan: 'pro' });
    expect(await Promise.all(['role', 'claims'].map((event) => ask(event)))).toEqual([true, true]);
    expect(await ask('throw', 'SESSION_NOT_FOUND')).toEqual(refusedWith('SESSION_NOT_FOUND'));
  });

  it('need methods of authentication, which says nothing against the token of the socket', async () => {
    const { accessToken, session } = await node.tokens.login('bob', { amr: ['pwd'] });
    const { ask, events } = await enter('/rules', accessToken);
    const asked = jest.spyOn(Verifier.prototype, 'verify');
    const needed = { maxAge: 60, amr: ['mfa'], acrValues: ['urn:example:aal2'] };
    expect(await ask('proved')).toEqual(refusedWith('FRESH_LOGIN_REQUIRED', needed));
    expect(await ask('fresh')).toBe(true);
    // Nor does the database have to confirm the token.
    expect(asked.mock.calls.filter(([, { strict }]) => strict)).toEqual([]);
    asked.mockRestore();
    await node.sessions.reauthenticate(session.id, { amr: ['mfa'] });
    expect(await ask('proved')).toBe(true);
    expect(events.filter(([name]) => name !== 'exception')).toEqual([]);
  });

  it('are refused in the acknowledgement as well, for clients that wait for one', async () => {
    const { accessToken } = await logIn();
    const { socket, events } = await enter('/rules', accessToken);
    const { exception } = refusedWith('FORBIDDEN');
    expect(await socket.timeout(20_000).emitWithAck('role', {})).toEqual(exception);
    expect(await socket.timeout(20_000).emitWithAck('throw', 'SESSION_NOT_FOUND')).toEqual(
      refusedWith('SESSION_NOT_FOUND').exception,
    );
    expect(events[0]).toEqual(['exception', exception]);
  });

  it('need a token in every namespace, unless something there is open', async () => {
    const { accessToken } = await logIn();
    for (const namespace of ['/', '/rules', '/room-7']) {
      expect((await enter(namespace)).refusal).toMatchObject({ errorCode: 'TOKEN_MISSING' });
    }
    expect(await (await enter('/room-7', accessToken)).ask('me')).toMatchObject({ userId: 'alice' });
    expect(await (await enter('/open')).ask('who')).toEqual({ user: null });
    expect(await (await enter('/open', accessToken)).ask('who')).toEqual({ user: { userId: 'alice' } });
  });

  it('connect without a user where a handler ignores bad tokens', async () => {
    for (const token of ['ses_at_unknown', 'two words']) {
      const { refusal, ask } = await enter('/lenient', token);
      expect(refusal).toBeNull();
      expect(await ask('who')).toEqual({ user: null });
      expect(await ask('me')).toEqual(refusedWith('TOKEN_MISSING'));
    }
    expect((await enter('/open', 'ses_at_unknown')).refusal).toMatchObject({ errorCode: 'TOKEN_INVALID' });
  });

  it('bring a renewed token, once, which connects when the first has expired', async () => {
    const { accessToken } = await logIn();
    const { ask, events, socket } = await enter('/room-1', accessToken);
    clock.advance(117 * MINUTE);
    await Promise.all([ask('me'), ask('me')]);
    await until(() => events.length > 0);
    const [event, data] = events[0]!;
    expect([event, data]).toEqual(['renewed', { accessToken: expect.any(String), expiresIn: 7200 }]);
    clock.advance(10 * MINUTE);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('me')));
    expect(answers).toEqual(Array(8).fill({ userId: 'alice' }));
    expect(events).toHaveLength(1);
    expect(socket.connected).toBe(true);
    expect((await enter('/room-1', accessToken)).refusal).toMatchObject({ errorCode: 'TOKEN_EXPIRED' });
    expect((await enter('/room-1', data.accessToken as string)).refusal).toBeNull();
  });

  it('renew for sockets that send nothing, and end with their session', async () => {
    const { accessToken } = await logIn();
    const { events, socket } = await enter('/room-1', accessToken);
    for (let renewals = 1; renewals <= 2; renewals++) {
      clock.advance(117 * MINUTE);
      await until(() => events.length === renewals);
      expect(events.at(-1)).toEqual(['renewed', { accessToken: expect.any(String), expiresIn: expect.any(Number) }]);
      clock.advance(MINUTE);
    }
    clock.advance(50 * MINUTE);
    await until(() => !socket.connected);
    expect(events.slice(2)).toEqual([
      ['session-ended', { errorCode: 'SESSION_EXPIRED' }],
      ['disconnect', { reason: 'io server disconnect' }],
    ]);
  });
});

/** A socket of the server's side. */
interface Joining {
  join(room: string): void;
  leave(room: string): void;
}

@WebSocketGateway({ namespace: 'staff' })
class StaffGateway implements OnGatewayConnection {
  @WebSocketServer() server!: { to(room: string): { emit(event: string): void } };

  handleConnection(socket: Joining): void {
    const place = ({ claims }: Pick<UserSession, 'claims'>) => {
      if ((claims.roles as string[]).includes('admin')) socket.join('admins');
      else socket.leave('admins');
    };
    place(sessionOf(socket)!);
    onSessionChange(socket, () => {
      throw new Error('of a listener');
    });
    onSessionChange(socket, place);
  }

  @RequireRole('admin')
  @SubscribeMessage('tell')
  tell() {
    this.server.to('admins').emit('told');
    return true;
  }

  @SubscribeMessage('roles')
  roles(@ConnectedSocket() socket: object, @CurrentUser('roles') roles: unknown) {
    return [roles, sessionOf(socket)!.claims.roles];
  }
}

describe('G14: sockets of a user whose claims change on another node', () => {
  const start = useNodes();

  it('are told within D, have the new ones, and leave the rooms of a role', async () => {
    const session = { policy: multiDevice(), timing: MEASURED_D.timing };
    const parts = { providers: [StaffGateway] };
    const [one, other] = [await start(parts, { configure, session }), await start(parts, { configure, session })];
    const login = () => one.tokens.login('boss', { claims: { roles: ['admin'] } });
    const clients = await Promise.all([1, 2].map(async () => connect(`${one.url}/staff`, (await login()).accessToken)));
    const admin = await one.tokens.login('chief', { claims: { roles: ['admin'] } });
    const chief = await connect(`${one.url}/staff`, admin.accessToken);
    expect(await chief.ask('tell')).toBe(true);
    await until(() => [...clients, chief].every(({ events }) => events.some(([event]) => event === 'told')));
    await other.sessions.updateUserClaims('boss', { roles: ['user'] });
    // A message is judged at once.
    expect(await clients[0]!.ask('tell')).toEqual(refusedWith('FORBIDDEN', { missing: { roles: ['admin'] } }));
    const changed = () => clients.every(({ events }) => events.some(([event]) => event === 'session-changed'));
    const { ms } = await timed(until(changed));
    expect(ms).toBeLessThan(MEASURED_D.ms);
    for (const { ask, events, socket } of clients) {
      expect(await ask('roles')).toEqual([['user'], ['user']]);
      expect([socket.connected, events.splice(0).filter(([event]) => event === 'session-changed').length]).toEqual([
        true,
        1,
      ]);
    }
    expect(await chief.ask('tell')).toBe(true);
    await until(() => chief.events.filter(([event]) => event === 'told').length === 2);
    expect(clients.flatMap(({ events }) => events)).toEqual([]);
  });

  it('are told as well where a message was faster, whose copy is remembered', async () => {
    const session = { realm: 'remembering', timing: { ...MEASURED_D.timing, poll: '100ms' } } as const;
    const { app, url, tokens, sessions } = await start({ providers: [StaffGateway] }, { configure, session });
    const { accessToken } = await tokens.login('boss', { claims: { roles: ['admin'] } });
    const { ask, events } = await connect(`${url}/staff`, accessToken);
    const authenticator = app.get(SessionAuthenticator, { strict: false });
    const remembered = async () => {
      await ask('roles');
      return authenticator.fromMemory(accessToken)?.claims.roles;
    };
    await until(async () => String(await remembered()) === 'admin');
    await sessions.updateUserClaims('boss', { roles: ['user'] });
    await until(async () => String(await remembered()) === 'user');
    await until(() => events.some(([event]) => event === 'session-changed'));
    expect(await ask('roles')).toEqual([['user'], ['user']]);
  });

  it('takes functions alone', async () => {
    expect(() => onSessionChange({}, 'x' as never)).toThrow('listener must be a function');
    expect(onSessionChange({}, () => undefined)).toBeUndefined();
  });
});

describe('a socket by cookie', () => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());
  let node: Node;
  let cookie: string;
  beforeAll(async () => {
    const transport = cookies({ trustedOrigins: ['https://app.example.com'] });
    const session = { transport, clock, tokens: sliding(), realm: 'cookies' };
    node = await start({ providers: [RoomGateway] }, { configure, session });
    cookie = `session-cookies-${node.port}=${(await node.tokens.login('alice')).accessToken}`;
  });
  const enter = (transport: string, headers: object) => {
    const options = { transports: [transport], extraHeaders: { cookie, ...headers } };
    return connect(`${node.url}/room-1`, undefined, options);
  };

  it.each([
    ['websocket', 'the trusted one', { origin: 'https://app.example.com' }, null],
    ['websocket', 'no', {}, 'CROSS_SITE_REQUEST'],
    ['websocket', 'the opaque', { origin: 'null' }, 'CROSS_SITE_REQUEST'],
    ['websocket', 'another', { origin: 'https://evil.example.com' }, 'CROSS_SITE_REQUEST'],
    ['polling', 'the trusted one', { origin: 'https://app.example.com' }, null],
    ['polling', 'no', {}, null],
    ['polling', 'the opaque', { origin: 'null' }, 'CROSS_SITE_REQUEST'],
    ['polling', 'another', { origin: 'https://evil.example.com' }, 'CROSS_SITE_REQUEST'],
    ['polling', 'no, but cross-site as its', { 'sec-fetch-site': 'cross-site' }, 'CROSS_SITE_REQUEST'],
    ['polling', 'no, but same-origin as its', { 'sec-fetch-site': 'same-origin' }, null],
  ])('by %s with %s Origin', async (transport, _, headers, errorCode) => {
    const { refusal, ask } = await enter(transport, headers);
    expect(refusal?.errorCode ?? null).toBe(errorCode);
    if (errorCode === null) expect(await ask('me')).toEqual({ userId: 'alice' });
  });

  it('reads no other token, and is told of a renewal without one', async () => {
    const { accessToken } = await node.tokens.login('alice');
    expect((await connect(`${node.url}/room-1`, accessToken)).refusal).toMatchObject({ errorCode: 'TOKEN_MISSING' });
    const { events } = await enter('polling', {});
    clock.advance(117 * MINUTE);
    await until(() => events.length > 0);
    expect(events[0]).toEqual(['renewed', { expiresIn: 7200 }]);
  });
});
