import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CurrentUser } from 'nestjs-latchkey';
import { SessionIoAdapter, SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { useNodes } from '../../test/support/doors.js';
import { until } from '../../test/support/until.js';

const handled: { userId: string; at: number }[] = [];

@WebSocketGateway()
class LoadGateway {
  @SubscribeMessage('work')
  work(@CurrentUser('userId') userId: string) {
    handled.push({ userId, at: performance.now() });
    return { event: 'done', data: null };
  }
}

interface Flood {
  /** Time at which the socket closed. */
  readonly closedAt: () => number | null;
  readonly send: () => void;
}

function byWs(port: number, token: string): Promise<Flood> {
  return new Promise((resolve) => {
    let closedAt: number | null = null;
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, ['latchkey', token]);
    socket.on('close', () => (closedAt = performance.now()));
    const send = () => socket.readyState === WebSocket.OPEN && socket.send('{"event":"work"}');
    void once(socket, 'open').then(() => resolve({ closedAt: () => closedAt, send }));
  });
}

function byIo(port: number, token: string): Promise<Flood> {
  return new Promise((resolve) => {
    let closedAt: number | null = null;
    const options = { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false };
    const socket = io(`http://127.0.0.1:${port}`, options);
    socket.on('disconnect', () => (closedAt = performance.now()));
    socket.on('connect', () => resolve({ closedAt: () => closedAt, send: () => socket.emit('work') }));
  });
}

const start = useNodes();
const SOCKETS = 20;

it.each([
  ['socket.io', SessionIoAdapter, byIo],
  ['ws', SessionWsAdapter, byWs],
] as const)('no message of %s is handled once a kick on another node has returned', async (name, Adapter, open) => {
  const session = { realm: name.replace('.', '-') };
  const node = await start(
    { providers: [LoadGateway] },
    { session, configure: (app) => app.useWebSocketAdapter(new Adapter(app)) },
  );
  const other = await start({}, { session });
  const token = async (user: string) => (await node.tokens.login(user)).accessToken;
  const [alice, bob] = await Promise.all([token('alice'), token('bob')]);
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => open(node.port, alice)));
  const kept = await open(node.port, bob);
  handled.length = 0;
  let over = false;
  const flood = () => {
    for (const { send } of [...sockets, kept]) send();
    if (!over) setImmediate(flood);
  };
  flood();
  await until(() => handled.filter(({ userId }) => userId === 'alice').length > 200);
  await other.operators.kickUser('alice', { by: 'root' });
  const kickedAt = performance.now();
  await until(() => sockets.every(({ closedAt }) => closedAt() !== null));
  const after = (userId: string) => handled.filter((one) => one.userId === userId && one.at > kickedAt);
  await until(() => after('bob').length > 10);
  over = true;
  expect(after('alice')).toEqual([]);
  expect(kept.closedAt()).toBeNull();
});
