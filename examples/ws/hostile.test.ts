import { once } from 'node:events';
import type { Server } from 'node:http';
import { type Socket, connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ExpressAdapter } from '@nestjs/platform-express';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Public, cookies } from 'nestjs-latchkey';
import { SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { type Node, useNodes } from '../../test/support/doors.js';
import { until } from '../../test/support/until.js';

@WebSocketGateway()
class TimeGateway {
  @Public()
  @SubscribeMessage('time')
  time() {
    return { event: 'time', data: 1 };
  }
}

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

const KEY = Buffer.from('0123456789abcdef').toString('base64');

/** Opens a socket by hand, and sends what may follow its handshake. */
async function knock(
  port: number,
  headers: readonly string[],
  { after = Buffer.alloc(0), allowHalfOpen = false, before = (_: Socket): unknown => null } = {},
): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen });
  socket.on('error', () => undefined);
  open.push(socket);
  await once(socket, 'connect');
  before(socket);
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  const head = ['GET / HTTP/1.1', `Host: 127.0.0.1:${port}`, ...upgrade, `Sec-WebSocket-Key: ${KEY}`, ...headers];
  socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), after]));
  return socket;
}

const REFUSED = 'Sec-WebSocket-Protocol: latchkey, ses_at_unknown';

describe('hostile clients of ws', () => {
  const start = useNodes();
  const connections = ({ app }: Node) =>
    new Promise<number>((resolve) => (app.getHttpServer() as Server).getConnections((_, count) => resolve(count)));
  const configure = (app: Node['app']) => app.useWebSocketAdapter(new SessionWsAdapter(app));

  it('who send malformed frames to a socket that is refused', async () => {
    const node = await start({ providers: [TimeGateway] }, { configure });
    for (let i = 0; i < 5; i++) {
      const socket = await knock(node.port, [REFUSED], { after: Buffer.from([0xff, 0xff, 0xff, 0xff]) });
      socket.resume();
      await once(socket, 'close');
    }
  });

  it('who are refused at the upgrade, and keep their side open, or reset it', async () => {
    const node = await start(
      { providers: [TimeGateway] },
      {
        session: { transport: cookies(), realm: 'x' },
        configure: (app) => {
          (app.getHttpAdapter() as ExpressAdapter).set('trust proxy', true);
          configure(app);
        },
      },
    );
    const bySite = [
      'Cookie: __Host-session-x=ses_at_unknown',
      'X-Forwarded-Proto: https',
      'Origin: https://evil.example.com',
    ];
    const kept = await knock(node.port, bySite, { allowHalfOpen: true });
    const [answer] = (await once(kept, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 403 .*CROSS_SITE_REQUEST/s);
    await until(async () => (await connections(node)) === 0);
    const server = node.app.getHttpServer() as Server;
    const [answerTo] = server.listeners('upgrade') as [(...given: unknown[]) => void];
    const reset = await knock(node.port, bySite, {
      before: (socket) =>
        server.removeAllListeners('upgrade').once('upgrade', (...given) => {
          socket.resetAndDestroy();
          socket.once('close', () => answerTo(...given));
        }),
    });
    await once(reset, 'close');
    await until(async () => (await connections(node)) === 0);
  });

  it('who never answer a close frame do not hold up the end of the application', async () => {
    const node = await start({ providers: [TimeGateway] }, { configure, session: { realm: 'slow' } });
    const silent = await knock(node.port, [REFUSED]);
    let text = '';
    silent.on('data', (part: Buffer) => (text += part.toString('latin1')));
    await until(() => text.includes('TOKEN_INVALID'));
    const startedAt = performance.now();
    await node.app.close();
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
