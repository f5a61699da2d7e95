import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CurrentUser, RequireRole, SessionError, accessAndRefresh, cookies, sliding } from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { type ClientOptions, type Server, WebSocket } from 'ws';
import { MEASURED_D, type Node, partsOf, useNodes } from '../../test/support/doors.js';
import { timed, until } from '../../test/support/until.js';
import { ChatModule } from './chat.js';

const configure = (app: Node['app']) => app.useWebSocketAdapter(new SessionWsAdapter(app));
const MINUTE = 60_000;
const open: WebSocket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.terminate();
});

interface Client {
  readonly socket: WebSocket;
  readonly messages: { event: string; data: Record<string, unknown> }[];
  /** Close code and reason. */
  readonly closed: Promise<readonly [number, string]>;
  /** Answer to a message. */
  readonly ask: (event: string, data?: unknown) => Promise<unknown>;
}

function connect(url: string, protocols: string[] = [], options: ClientOptions = {}): Client {
  const socket = new WebSocket(url.replace('http', 'ws'), protocols, options);
  open.push(socket);
  const messages: Client['messages'] = [];
  socket.on('message', (text: Buffer) => messages.push(JSON.parse(text.toString()) as Client['messages'][number]));
  const closed = new Promise<readonly [number, string]>((resolve, reject) => {
    socket.once('close', (code, reason) => resolve([code, reason.toString()]));
    socket.once('error', reject);
  });
  closed.catch(() => undefined);
  const ask = async (event: string, data: unknown = null) => {
    if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open');
    const answer = once(socket, 'message') as Promise<[Buffer]>;
    socket.send(JSON.stringify({ event, data }));
    return JSON.parse((await answer)[0].toString()) as unknown;
  };
  return { socket, messages, closed, ask };
}

const refusedWith = (errorCode: string, more: object = {}) => ({
  event: 'exception',
  data: { status: 'error', message: expect.any(String), errorCode, ...more },
});

describe('the example for ws', () => {
  const start = useNodes();
  let one: Node;
  let other: Node;
  let url: string;
  beforeAll(async () => {
    const session = { timing: MEASURED_D.timing };
    one = await start(partsOf(ChatModule), { configure, session });
    other = await start(partsOf(ChatModule), { configure, session });
    url = `${one.url}/chat`;
  });

  const logIn = async (name = 'alice') => {
    const answer = await fetch(`${one.url}/login/${name}`, { method: 'POST' });
    return (await answer.json()) as { accessToken: string; session: { id: string } };
  };

  it('answers what is public, and optional, without a token, and refuses what is protected', async () => {
    const { ask } = connect(url);
    expect(await ask('public')).toEqual({ event: 'public', data: { hello: 'everyone' } });
    expect(await ask('optional')).toEqual({ event: 'optional', data: { user: null } });
    expect(await ask('me')).toEqual(refusedWith('TOKEN_MISSING'));
    expect(await ask('me', { user: { userId: 'root' }, userId: 'root' })).toEqual(refusedWith('TOKEN_MISSING'));
  });

  it('knows the user of a token, and names no token in its answer', async () => {
    const { accessToken } = await logIn();
    const { ask, socket } = connect(url, ['latchkey', accessToken]);
    const data = { name: 'alice', userId: 'alice' };
    expect(await ask('me')).toEqual({ event: 'me', data });
    expect(await ask('optional')).toEqual({ event: 'optional', data: { user: data } });
    expect(socket.protocol).toBe('latchkey');
    const chat = connect(url, ['chat', 'latchkey', accessToken]);
    expect(await chat.ask('me')).toEqual({ event: 'me', data });
    expect(chat.socket.protocol).toBe('latchkey');
    const header = connect(url, [], { headers: { authorization: `Bearer ${accessToken}` } });
    expect(await header.ask('me')).toEqual({ event: 'me', data });
  });

  it.each([
    ['an unknown token', ['latchkey', 'ses_at_unknown'], 'TOKEN_INVALID'],
    ['two tokens', ['latchkey', 'ses_at_one', 'ses_at_two'], 'TOKEN_MALFORMED'],
    ['a huge token', ['latchkey', 'x'.repeat(10_000)], 'TOKEN_MALFORMED'],
  ])('closes a connection with %s', async (_, protocols, errorCode) => {
    const { closed, messages, socket } = connect(url, protocols);
    socket.once('open', () => socket.send(JSON.stringify({ event: 'public' })));
    expect(await closed).toEqual([4401, errorCode]);
    expect(messages).toEqual([]);
  });

  it('reads no token in a query, and none beside another', async () => {
    const { accessToken } = await logIn();
    expect(await connect(`${url}?token=${accessToken}`).ask('me')).toEqual(refusedWith('TOKEN_MISSING'));
    const headers = { authorization: 'Bearer ses_at_other' };
    expect(await connect(url, ['latchkey', accessToken], { headers }).closed).toEqual([4401, 'TOKEN_MALFORMED']);
  });

  it('handles what was sent before authentication, afterwards', async () => {
    const { accessToken } = await logIn();
    const { socket, messages } = connect(url, ['latchkey', accessToken]);
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'me' }));
    await until(() => messages.length > 0);
    expect(messages).toEqual([{ event: 'me', data: { name: 'alice', userId: 'alice' } }]);
  });

  it('survives a malformed frame of a socket that it refuses', async () => {
    const port = one.port;
    const tcp = connectTcp(port, '127.0.0.1');
    const key = Buffer.from('0123456789abcdef').toString('base64');
    const head = `GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13`;
    tcp.write(`${head}\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: latchkey, ses_at_unknown\r\n\r\n`);
    tcp.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    tcp.resume();
    await once(tcp, 'close');
    expect(await connect(url).ask('public')).toMatchObject({ event: 'public' });
  });

  it('closes exactly the sockets of a session that is kicked on another node, within D', async () => {
    const [kicked, kept] = await Promise.all([logIn(), logIn()]);
    const clients = [kicked, kicked, kept].map(({ accessToken }) => connect(url, ['latchkey', accessToken]));
    await Promise.all(clients.map(({ ask }) => ask('me')));
    await other.operators.kick(kicked.session.id, { by: 'root' });
    const [first, second, third] = clients as [Client, Client, Client];
    const { value, ms } = await timed(Promise.all([first.closed, second.closed]));
    expect(value).toEqual(Array(2).fill([4401, 'SESSION_KICKED']));
    expect(ms).toBeLessThan(MEASURED_D.ms);
    expect(await third.ask('me')).toMatchObject({ event: 'me' });
    expect(await connect(url, ['latchkey', kicked.accessToken]).closed).toEqual([4401, 'SESSION_KICKED']);
  });
});

@WebSocketGateway()
class RulesGateway {
  @WebSocketServer() server!: Server;

  @SubscribeMessage('me')
  me(@CurrentUser() user: unknown) {
    return { event: 'me', data: user };
  }

  @RequireRole('admin')
  @SubscribeMessage('role')
  role() {
    return { event: 'role', data: true };
  }

  @SubscribeMessage('throw')
  throw() {
    throw new SessionError('SESSION_NOT_FOUND');
  }
}

const providers = [RulesGateway];

describe('messages behind SessionWsAdapter', () => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());

  it('keep rules, hide no code, and bring a renewed token', async () => {
    const { tokens, url } = await start({ providers }, { configure, session: { clock, tokens: sliding() } });
    const { accessToken } = await tokens.login('alice');
    const { ask, messages } = connect(url, ['latchkey', accessToken]);
    expect(await ask('role')).toEqual(refusedWith('FORBIDDEN', { missing: { roles: ['admin'] } }));
    expect(await ask('throw')).toEqual(refusedWith('SESSION_NOT_FOUND'));
    messages.length = 0;
    clock.advance(117 * MINUTE);
    await until(() => messages.length > 0);
    const [{ event, data }] = messages as [Client['messages'][number]];
    expect({ event, data }).toEqual({ event: 'renewed', data: { accessToken: expect.any(String), expiresIn: 7200 } });
    expect(await connect(url, ['latchkey', String(data.accessToken)]).ask('me')).toMatchObject({ event: 'me' });
  });

  it('end with TOKEN_EXPIRED where tokens are not renewed', async () => {
    const session = { clock, tokens: accessAndRefresh(), realm: 'refreshing' };
    const { tokens, url } = await start({ providers }, { configure, session });
    const { accessToken } = await tokens.login('alice');
    const { ask, closed } = connect(url, ['latchkey', accessToken]);
    expect(await ask('me')).toMatchObject({ event: 'me' });
    clock.advance(31 * MINUTE);
    expect(await closed).toEqual([4401, 'TOKEN_EXPIRED']);
  });

  it('wait, and no broadcast is sent, until the token is judged', async () => {
    const { app, url, tokens } = await start({ providers }, { configure, session: { realm: 'held' } });
    const { accessToken } = await tokens.login('alice');
    const authenticator = app.get(SessionAuthenticator, { strict: false });
    const authenticate = authenticator.authenticate.bind(authenticator);
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const judged = jest.spyOn(authenticator, 'authenticate').mockImplementationOnce(async (...given) => {
      await held;
      return authenticate(...given);
    });
    const { messages, socket } = connect(url, ['latchkey', accessToken]);
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'me' }));
    const { server } = app.get(RulesGateway);
    await until(() => judged.mock.calls.length === 1);
    // What another socket asks later is answered earlier.
    const others = connect(url, ['latchkey', accessToken]);
    expect(await others.ask('me')).toMatchObject({ event: 'me' });
    expect([server.clients.size, messages]).toEqual([1, []]);
    release();
    await until(() => messages.length > 0);
    expect([server.clients.size, messages]).toEqual([2, [{ event: 'me', data: { userId: 'alice' } }]]);
    expect(await connect(url).closed).toEqual([4401, 'TOKEN_MISSING']);
  });
});

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter({ trustProxy: true })],
])('a WebSocket by cookie on %s', (name, adapter) => {
  const start = useNodes();
  let node: Node;
  let cookie: string;
  beforeAll(async () => {
    const session = { transport: cookies({ trustedOrigins: ['https://app.example.com'] }) };
    node = await start(
      { providers },
      {
        session,
        adapter: adapter(),
        configure: (app) => {
          if (name === 'Express') (app.getHttpAdapter() as ExpressAdapter).set('trust proxy', true);
          configure(app);
        },
      },
    );
    cookie = `__Host-session=${(await node.tokens.login('alice')).accessToken}`;
  });

  /** Status and body of a handshake, 101 for an upgrade. */
  const handshake = (headers: Record<string, string>) =>
    new Promise<readonly [number, string]>((resolve) => {
      const sent = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
        host: 'api.example.com',
        'x-forwarded-proto': 'https',
        cookie,
        ...headers,
      };
      const made = httpRequest({ port: node.port, host: '127.0.0.1', headers: sent });
      made.on('upgrade', (_, socket) => void (resolve([101, '']), socket.destroy()));
      made.on('response', (answer) => {
        let text = '';
        answer.on('data', (part: Buffer) => (text += part.toString()));
        answer.on('end', () => resolve([answer.statusCode!, (JSON.parse(text) as { errorCode: string }).errorCode]));
      });
      made.end();
    });

  it.each([
    ['the own origin behind a proxy', { origin: 'https://api.example.com' }, 101],
    ['a trusted one', { origin: 'https://app.example.com' }, 101],
    ['none', {}, 403],
    ['null', { origin: 'null' }, 403],
    ['another', { origin: 'https://evil.example.com' }, 403],
    ['the own one over http', { origin: 'http://api.example.com' }, 403],
    ['another, which claims to be the same', { origin: 'https://evil.com', 'sec-fetch-site': 'same-origin' }, 403],
  ])('with %s as its Origin', async (_, headers, status) => {
    expect(await handshake(headers)).toEqual([status, status === 101 ? '' : 'CROSS_SITE_REQUEST']);
  });

  it('knows the user', async () => {
    const headers = { cookie, origin: 'https://app.example.com', 'x-forwarded-proto': 'https' };
    expect(await connect(node.url, [], { headers }).ask('me')).toEqual({ event: 'me', data: { userId: 'alice' } });
  });
});
