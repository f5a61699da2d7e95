import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { INestApplication } from '@nestjs/common';
import { sockets } from '../nest/http/identity.js';
import type { HttpAnswer } from '../nest/http/answers.js';
import type { SocketPlace } from './gateways.js';
import { Platform, SessionAdapter, type SocketAdapterOptions } from './session-adapter.js';

const platform = new Platform(
  '@nestjs/platform-ws',
  import('@nestjs/platform-ws').then(({ WsAdapter }) => WsAdapter),
);

/** Subprotocol that announces a token as the next one. */
const PROTOCOL = 'latchkey';
const OPEN = 1;
/** Close code of a refused token, in the range of applications; and RFC 6455's "try again later". */
const [UNAUTHORIZED, TRY_LATER] = [4401, 1013];

/** Socket of `ws`, as far as it is used here. */
interface WsSocket {
  readonly readyState: number;
  pause(): void;
  resume(): void;
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: 'error' | 'close', listener: () => void): unknown;
}

type Protocols = (protocols: Set<string>, request: IncomingMessage) => string | false;

interface WsServer {
  readonly clients?: Set<WsSocket>;
  readonly options: { handleProtocols?: Protocols | null };
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, accept: Accept): void;
}

type Accept = (client: WsSocket, request: IncomingMessage) => void;

/**
 * Authenticates sockets of `ws` before they connect, and judges each of their messages as AuthGuard judges a request:
 * `app.useWebSocketAdapter(new SessionWsAdapter(app))`. The token is a subprotocol, as in
 * `new WebSocket(url, ['latchkey', token])`, in the header Authorization, or in the session cookie. Needs @nestjs/platform-ws.
 *
 * - A refused token closes the socket with 4401 and the error code as the reason; a database that does not answer with 1013.
 *   Another site with the cookie is answered with 403 instead of an upgrade.
 * - A refused message is answered with `{ event: 'exception', data: { status: 'error', message, errorCode } }`.
 * - `{ event: 'renewed', data: { accessToken, expiresIn } }` brings the token for the next connection; without the token if a
 *   cookie carries it.
 * - The end of the session closes the socket with 4401 and the error code.
 */
export class SessionWsAdapter extends SessionAdapter {
  /** Not admitted, or not yet: their server does not know them. */
  private readonly outside = new Set<WsSocket>();

  /** @throws SessionError CONFIGURATION_INVALID without a SessionModule, or for several without the option `realm` */
  constructor(app: INestApplication, options: SocketAdapterOptions = {}) {
    super(app, options, platform);
  }

  override create(port: number, options: { readonly path?: unknown } = {}): unknown {
    const server = this.adapter.create(port, options) as WsServer;
    const place = { port, path: options.path };
    const { handleProtocols } = server.options;
    server.options.handleProtocols = (protocols, request) => chosenProtocol(protocols, request, handleProtocols);
    const upgrade = server.handleUpgrade.bind(server);
    server.handleUpgrade = (request, socket, head, accept) => {
      const token = tokenOf(request);
      const refusal = this.crossSite(request, token);
      if (refusal) return forbid(socket, refusal);
      upgrade(request, socket, head, (client) => {
        void this.enter(server, client, request, token, place, () => accept(client, request));
      });
    };
    return server;
  }

  override close(server: unknown): unknown {
    for (const client of this.outside) client.terminate();
    return super.close(server);
  }

  /** Holds back what the client sends, and broadcasts of the application, until the token is judged. */
  private async enter(
    server: WsServer,
    client: WsSocket,
    request: IncomingMessage,
    token: unknown,
    place: SocketPlace,
    accept: () => void,
  ): Promise<void> {
    client.pause();
    // Without a listener, a malformed frame of a socket that never connects would end the process.
    client.on('error', () => undefined);
    server.clients?.delete(client);
    this.outside.add(client);
    client.on('close', () => this.outside.delete(client));
    const admission = await this.authenticate(request, token, 'socket', place);
    if ('exception' in admission) {
      end(client, admission);
    } else if (client.readyState === OPEN) {
      this.outside.delete(client);
      server.clients?.add(client);
      const send = (event: string, data: object) => client.send(JSON.stringify({ event, data }));
      const connection = this.connect({ send, end: (answer) => end(client, answer) }, admission);
      sockets.set(client, connection);
      client.on('close', this.open(connection));
      accept();
    }
    client.resume();
  }
}

function end(client: WsSocket, { exception }: HttpAnswer): void {
  client.close(exception.getStatus() === 503 ? TRY_LATER : UNAUTHORIZED, exception.code);
}

/** Nothing else listens to the socket of an upgrade, and a client may never close its side. */
function forbid(socket: Duplex, { exception }: HttpAnswer): void {
  socket.on('error', () => undefined);
  socket.once('finish', () => socket.destroy());
  const body = JSON.stringify(exception.getResponse());
  const head = `Connection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 403 Forbidden\r\n${head}\r\n\r\n${body}`);
}

/** The item after `latchkey`, which is the last one; undefined for none, and no text for several. */
function tokenOf({ headers }: IncomingMessage): unknown {
  const items = (headers['sec-websocket-protocol'] ?? '').split(',').map((item) => item.trim());
  const tokens = items.includes(PROTOCOL) ? items.slice(items.indexOf(PROTOCOL) + 1) : [];
  return tokens.length > 1 ? tokens : tokens[0];
}

/** Never names a token: proxies log what a server answers. */
function chosenProtocol(protocols: Set<string>, request: IncomingMessage, own?: Protocols | null): string | false {
  const items = [...protocols];
  if (!protocols.has(PROTOCOL)) return own ? own(protocols, request) : (items[0] ?? false);
  const others = items.slice(0, items.indexOf(PROTOCOL));
  const chosen = own && others.length > 0 && own(new Set(others), request);
  return chosen || PROTOCOL;
}
