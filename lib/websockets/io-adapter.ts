import type { IncomingMessage } from 'node:http';
import { HttpException, type INestApplication } from '@nestjs/common';
import { misused } from '../model/session-error.js';
import { sockets } from '../nest/http/identity.js';
import { messageOf } from '../nest/http/session-error.filter.js';
import { Connection } from './connection.js';
import type { SocketPlace } from './gateways.js';
import { Platform, SessionAdapter, type SocketAdapterOptions } from './session-adapter.js';

const platform = new Platform(
  '@nestjs/platform-socket.io',
  import('@nestjs/platform-socket.io').then(({ IoAdapter }) => IoAdapter),
);

/** A middleware comes too late: missed messages are sent, and rooms restored, when the socket is made. */
const NO_RECOVERY =
  'Remove the option connectionStateRecovery of the gateway or server: socket.io would send missed messages to whoever names a socket, before SessionIoAdapter sees the token. Join rooms in handleConnection';

/** Socket of socket.io, as far as it is used here. */
interface IoSocket {
  readonly handshake: { readonly auth: Readonly<Record<string, unknown>> };
  readonly request: IncomingMessage;
  readonly nsp: { readonly name: string };
  emit(event: string, data: object): unknown;
  disconnect(): unknown;
  once(event: 'disconnect', listener: () => void): unknown;
}

interface Namespace {
  use(middleware: (socket: IoSocket, next: (error?: Error) => void) => void): unknown;
  on(event: 'connection', listener: (socket: IoSocket) => void): unknown;
}

interface IoServer {
  readonly opts: { readonly connectionStateRecovery?: unknown };
  of(name: string): Namespace;
  on(event: 'new_namespace', listener: (namespace: Namespace) => void): unknown;
}

/**
 * Authenticates sockets of socket.io before they connect, in every namespace, and judges each of their messages as AuthGuard
 * judges a request: `app.useWebSocketAdapter(new SessionIoAdapter(app))`. The token is in `auth: { token }`, in the header
 * Authorization, or in the session cookie. Needs @nestjs/platform-socket.io.
 *
 * - A refused handshake is a `connect_error` with `{ status: 'error', message, errorCode }` in its `data`; a refused message is
 *   answered with the event `exception` and the same.
 * - `renewed` brings `{ accessToken, expiresIn }`, for the next connection; without the token if a cookie carries it.
 * - `session-ended` brings `{ errorCode, endedAt, replacedBy }`, before the namespace is disconnected.
 */
export class SessionIoAdapter extends SessionAdapter {
  private readonly guarded = new WeakSet<object>();

  /** @throws SessionError CONFIGURATION_INVALID without a SessionModule, or for several without the option `realm` */
  constructor(app: INestApplication, options: SocketAdapterOptions = {}) {
    super(app, options, platform);
  }

  override create(port: number, options: { readonly path?: unknown } = {}): unknown {
    const created = this.adapter.create(port, options) as (IoServer & Namespace) | (Namespace & { server: IoServer });
    const place = { port, path: options.path };
    const server = 'server' in created ? created.server : created;
    if (!this.guarded.has(server)) {
      this.guarded.add(server);
      if (server.opts.connectionStateRecovery) throw misused(NO_RECOVERY);
      server.on('new_namespace', (namespace) => this.protect(namespace, place));
      this.protect(server.of('/'), place);
    }
    // A dynamic namespace hands on what it has.
    if ('server' in created) this.protect(created, place);
    return created;
  }

  private protect(namespace: Namespace, place: SocketPlace): void {
    if (this.guarded.has(namespace)) return;
    this.guarded.add(namespace);
    namespace.use((socket, next) => {
      if (sockets.has(socket)) return next();
      this.admit(socket, place).then(next, next);
    });
    namespace.on('connection', (socket) => {
      const connection = sockets.get(socket);
      if (!(connection instanceof Connection) || connection.isOpen) return;
      socket.once('disconnect', this.open(connection));
    });
  }

  private async admit(socket: IoSocket, place: SocketPlace): Promise<Error | undefined> {
    const { request, handshake, nsp } = socket;
    const channel = request.headers.upgrade?.toLowerCase() === 'websocket' ? 'socket' : 'stream';
    const admission = await this.authenticate(request, handshake.auth.token, channel, {
      ...place,
      namespace: nsp.name,
    });
    if ('exception' in admission) {
      return Object.assign(new Error(admission.exception.message), { data: messageOf(admission.exception) });
    }
    const client = {
      send: (event: string, data: object) => void socket.emit(event, data),
      end: ({ exception }: { readonly exception: HttpException }) => {
        const { errorCode, endedAt, replacedBy } = messageOf(exception);
        socket.emit('session-ended', { errorCode, endedAt, replacedBy });
        socket.disconnect();
      },
    };
    sockets.set(socket, this.connect(client, admission));
    return undefined;
  }
}
