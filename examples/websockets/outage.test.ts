import { once } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CurrentUser, Sensitive } from 'nestjs-latchkey';
import { SessionIoAdapter, SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { SqlSessionRepository } from 'lib/sql-session-repository.js';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { useNodes } from '../../test/support/doors.js';
import { until } from '../../test/support/until.js';

afterEach(() => void jest.restoreAllMocks());

const handled: string[] = [];

@WebSocketGateway()
class AccountGateway {
  @SubscribeMessage('me')
  me(@CurrentUser('userId') userId: string) {
    handled.push(userId);
    return { event: 'me', data: userId };
  }

  @Sensitive()
  @SubscribeMessage('pay')
  pay() {
    return { event: 'pay', data: true };
  }
}

const unavailable = { status: 'error', message: expect.any(String), errorCode: 'SESSION_STORE_UNAVAILABLE' };
const isDown = () =>
  jest.spyOn(SqlSessionRepository.prototype, 'findSessions').mockRejectedValue(new Error('connection refused'));

describe('while the database does not answer', () => {
  const start = useNodes();
  const nodes = async (Adapter: typeof SessionIoAdapter | typeof SessionWsAdapter, realm: string) => {
    const configure = (app: ConstructorParameters<typeof SessionIoAdapter>[0]) =>
      app.useWebSocketAdapter(new Adapter(app));
    const node = await start({ providers: [AccountGateway] }, { configure, session: { realm } });
    return { node, other: await start({}, { session: { realm } }) };
  };

  it('sockets of ws stay, and new ones are told to try later', async () => {
    const { node, other } = await nodes(SessionWsAdapter, 'ws');
    const [known, unknown] = await Promise.all([node.tokens.login('alice'), other.tokens.login('bob')]);
    const connect = (token: string) => new WebSocket(`ws://127.0.0.1:${node.port}`, ['latchkey', token]);
    const socket = connect(known.accessToken);
    await once(socket, 'open');
    const ask = async (event: string) => {
      socket.send(JSON.stringify({ event }));
      return JSON.parse(String((await once(socket, 'message'))[0])) as unknown;
    };
    expect(await ask('me')).toEqual({ event: 'me', data: 'alice' });
    const down = isDown();
    const [code, reason] = (await once(connect(unknown.accessToken), 'close')) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1013, 'SESSION_STORE_UNAVAILABLE']);
    expect(await ask('pay')).toEqual({ event: 'exception', data: unavailable });
    down.mockRestore();
    expect(await ask('pay')).toEqual({ event: 'pay', data: true });
    socket.terminate();
  });

  it('sockets of socket.io stay, and new ones are refused with the code', async () => {
    const { node, other } = await nodes(SessionIoAdapter, 'io');
    const [known, unknown] = await Promise.all([node.tokens.login('alice'), other.tokens.login('bob')]);
    const connect = (token: string) =>
      io(node.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
    const socket = connect(known.accessToken);
    const answers: unknown[] = [];
    socket.onAny((event, data) => answers.push([event, data]));
    await until(() => socket.connected);
    const down = isDown();
    const refused = await new Promise((resolve) => connect(unknown.accessToken).once('connect_error', resolve));
    expect(refused).toMatchObject({ data: unavailable });
    socket.emit('pay');
    await until(() => answers.length === 1);
    down.mockRestore();
    socket.emit('pay');
    await until(() => answers.length === 2);
    expect(answers).toEqual([
      ['exception', unavailable],
      ['pay', true],
    ]);
    socket.disconnect();
  });
});

describe('a client of socket.io that sends before it is admitted', () => {
  const start = useNodes();

  it('is closed, and nothing is handled', async () => {
    const node = await start(
      { providers: [AccountGateway] },
      { configure: (app) => app.useWebSocketAdapter(new SessionIoAdapter(app)) },
    );
    const { accessToken } = await node.tokens.login('early');
    const socket = new WebSocket(`ws://127.0.0.1:${node.port}/socket.io/?EIO=4&transport=websocket`);
    await once(socket, 'message');
    socket.send(`40${JSON.stringify({ token: accessToken })}`);
    socket.send('42["me"]');
    await once(socket, 'close');
    expect(handled).not.toContain('early');
  });
});
