import net from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { SampleApps, type SampleApp, until, useSampleApps } from './sample-app.js';

const LOGIN = JSON.stringify({ username: 'alice', password: 'alice-password' });

describe('the end of a process', () => {
  const apps = useSampleApps(SampleApps.asBuilt());

  it.each(['express', 'fastify'])(
    'lets a request finish, on SIGTERM and %s, and exits with 0',
    async (HTTP_ADAPTER) => {
      const app = await apps.start({ HTTP_ADAPTER, SESSION_POLICY: 'multi' });
      const idle = await connect(app, 'GET /public HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => idle.received.includes('200 OK'));
      const login = await beginLogin(app);
      app.process.kill('SIGTERM');
      await until(() => refusesConnections(app));
      await until(() => idle.closed);
      expect(app.hasExited).toBe(false);
      login.socket.write(LOGIN);
      // Not held up by the client, who keeps the connection for more requests: Node.js itself would wait for five seconds.
      await until(() => app.hasExited, 4000);
      expect(await app.exit()).toBe(0);
      expect(login.received).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
      expect(login.received).toContain('"accessToken":"ses_at_');
      expect(app.stdout).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
      expect(app.stderr).toBe('');
    },
  );

  it('ends at once on a later second signal', async () => {
    const app = await apps.start();
    await beginLogin(app);
    await until(() => {
      app.process.kill('SIGINT');
      return app.hasExited;
    });
    expect(await app.exit()).toBe(1);
  });

  it('takes several signals in a row for one, as Ctrl-C under npm makes them', async () => {
    const app = await apps.start();
    const login = await beginLogin(app);
    app.process.kill('SIGINT');
    app.process.kill('SIGINT');
    await until(() => refusesConnections(app));
    app.process.kill('SIGINT');
    login.socket.write(LOGIN);
    expect(await app.exit()).toBe(0);
    expect(login.received).toContain('200 OK');
  });
});

interface Connection {
  readonly socket: net.Socket;
  received: string;
  closed: boolean;
}

/** The head of a login, which the server has read and waits for the rest of. */
async function beginLogin(app: SampleApp): Promise<Connection> {
  const connection = await connect(
    app,
    'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${LOGIN.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await until(() => connection.received.includes('100 Continue'));
  return connection;
}

async function connect(app: SampleApp, text: string): Promise<Connection> {
  const socket = net.connect(app.port, '127.0.0.1');
  const connection: Connection = { socket, received: '', closed: false };
  socket.setEncoding('utf8').on('data', (data: string) => (connection.received += data));
  socket.on('error', () => undefined).on('close', () => (connection.closed = true));
  socket.write(text);
  return connection;
}

function refusesConnections(app: SampleApp): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(app.port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}
