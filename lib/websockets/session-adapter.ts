import type { INestApplication, WebSocketAdapter } from '@nestjs/common';
import { ModulesContainer, Reflector } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import { PeriodicTask } from '../async/periodic-task.js';
import { inSlices } from '../async/slices.js';
import { misused } from '../model/session-error.js';
import { channelCheckMs } from '../model/timing.js';
import type { BrowserRequest, Channel } from '../nest/cookies/request-origin.js';
import type { HttpAnswer } from '../nest/http/answers.js';
import { AuthGuard } from '../nest/http/auth.guard.js';
import { ChannelRequest, type Credential, MALFORMED, MISSING, readBearer } from '../nest/http/credential.js';
import { AuthenticatedSession } from '../nest/http/identity.js';
import { CHANNEL_RULES } from '../nest/http/route-rules.js';
import { SessionAuthenticator } from '../nest/http/session-authenticator.js';
import { SessionRuntime, loading } from '../nest/module/session-runtime.js';
import { Connection, type SocketClient, messageErrorFilter, messageGuard } from './connection.js';
import { Gateways, type SocketPlace } from './gateways.js';
import { frameworkRequest } from './framework-request.js';

/** Options of SessionIoAdapter and SessionWsAdapter. */
export interface SocketAdapterOptions {
  /** Realm of the SessionModule whose tokens sockets bring. Needed only if there are several. */
  readonly realm?: string;
  /** Adapter of the application's own, such as one for Redis. Default: Nest's IoAdapter or WsAdapter. */
  readonly adapter?: WebSocketAdapter;
}

/** Handshake that was admitted. */
export interface Admission {
  readonly credential: Credential;
  readonly identity: AuthenticatedSession | null;
  readonly ip: unknown;
}

type AdapterClass = new (app: INestApplication) => WebSocketAdapter;

/** Nest's adapter of one platform. A static import would need the packages of both. */
export class Platform {
  private loaded: AdapterClass | null = null;
  private error: unknown;

  constructor(
    private readonly name: string,
    module: Promise<AdapterClass>,
  ) {
    const loaded = module.then(
      (adapter) => (this.loaded = adapter),
      (error: unknown) => (this.error = error),
    );
    loading.push(loaded);
  }

  create(app: INestApplication): WebSocketAdapter {
    if (this.loaded) return new this.loaded(app);
    const cause = this.error;
    if (cause) throw Object.assign(misused(`Install ${this.name}, or pass the option "adapter"`), { cause });
    throw misused(`Import nestjs-latchkey/websockets before NestFactory.create(): ${this.name} is still being loaded`);
  }
}

/** Authenticates the sockets of an adapter, which does everything else. */
export abstract class SessionAdapter implements WebSocketAdapter {
  protected readonly adapter: WebSocketAdapter;
  private readonly authenticator: SessionAuthenticator;
  private readonly guard: AuthGuard;
  private readonly gateways: Gateways;
  private readonly connections = new Set<Connection>();
  private readonly watch: PeriodicTask;

  constructor(
    private readonly app: INestApplication,
    options: SocketAdapterOptions,
    platform: Platform,
  ) {
    const name = new.target.name;
    if (typeof (app as Partial<INestApplication> | undefined)?.getHttpAdapter !== 'function') {
      throw misused(`new ${name}(app) needs the application that NestFactory.create() returned`);
    }
    const unknown = Object.keys(options).find((key) => !['realm', 'adapter'].includes(key));
    if (unknown !== undefined) throw misused(`${name} has no option "${unknown}": it has realm and adapter`);
    const modules = app.get(ModulesContainer, { strict: false });
    const { authenticator, runtime } = moduleOf(modules, options.realm, name);
    const reflector = new Reflector();
    this.authenticator = authenticator;
    this.guard = Object.assign(new AuthGuard(), { authenticator });
    this.gateways = new Gateways(modules, reflector, messageGuard, messageErrorFilter);
    this.adapter = options.adapter ?? platform.create(app);
    this.watch = new PeriodicTask(
      () => inSlices(this.connections, (one) => one.check()),
      channelCheckMs(runtime.options.timing),
      () => undefined,
    );
  }

  abstract create(port: number, options?: unknown): unknown;

  /** Set by Nest. */
  set forceCloseConnections(value: boolean) {
    (this.adapter as { forceCloseConnections?: boolean }).forceCloseConnections = value;
  }

  bindClientConnect(server: unknown, callback: (...args: unknown[]) => void): void {
    this.adapter.bindClientConnect(server, callback);
  }

  bindClientDisconnect(client: unknown, callback: (...args: unknown[]) => void): void {
    this.adapter.bindClientDisconnect?.(client, callback);
  }

  bindMessageHandlers(...args: Parameters<WebSocketAdapter['bindMessageHandlers']>): void {
    this.adapter.bindMessageHandlers(...args);
  }

  close(server: unknown): unknown {
    return this.adapter.close(server);
  }

  async dispose(): Promise<void> {
    this.connections.clear();
    await this.watch.stop();
    await (this.adapter as { dispose?(): Promise<void> }).dispose?.();
  }

  /**
   * Judges a handshake by the token that it brings.
   * @param token of the platform's own place; undefined for none there
   * @returns the answer that refuses it
   */
  protected async authenticate(
    handshake: IncomingMessage,
    token: unknown,
    channel: Channel,
    place: SocketPlace,
  ): Promise<Admission | HttpAnswer> {
    const { authenticator } = this;
    const request = frameworkRequest(this.app, handshake);
    const { ip } = request;
    const credential = this.credentialOf(request, token, channel);
    const presented = new ChannelRequest(credential, ip, () => undefined);
    const outcome = await authenticator.authenticate(presented, { ...CHANNEL_RULES, activity: true });
    if (outcome instanceof AuthenticatedSession) return { credential, identity: outcome, ip };
    const isMissing = credential.refusal === 'TOKEN_MISSING';
    const isBad = [400, 401].includes(outcome.exception.getStatus());
    const isAdmitted = isBad && this.gateways.admitAnonymous(place, !isMissing);
    return isAdmitted ? { credential: MISSING, identity: null, ip } : outcome;
  }

  /** Reads the token where the option `transport` has it. Two that differ are malformed. */
  protected credentialOf(request: BrowserRequest, token: unknown, channel: Channel): Credential {
    const header = request.headers?.authorization;
    if (token === undefined || token === null || token === '' || this.authenticator.transport.kind === 'cookies') {
      return this.authenticator.credentialOf(request, { allowCrossSite: false, channel });
    }
    const credential = typeof token === 'string' ? readBearer(`Bearer ${token}`) : MALFORMED;
    const other = readBearer(header);
    return other.refusal === 'TOKEN_MISSING' || other.token === credential.token ? credential : MALFORMED;
  }

  /** Returns the answer to a WebSocket that another site opened with the cookie. */
  protected crossSite(request: IncomingMessage, token: unknown): HttpAnswer | null {
    const { refusal } = this.credentialOf(frameworkRequest(this.app, request), token, 'socket');
    return refusal === 'CROSS_SITE_REQUEST' ? this.authenticator.answers.to(refusal) : null;
  }

  protected connect(client: SocketClient, admission: Admission): Connection {
    return new Connection({ authenticator: this.authenticator, guard: this.guard }, client, admission);
  }

  /** Watches an open socket. @returns function for when it has closed */
  protected open(connection: Connection): () => void {
    if (this.connections.size === 0) this.watch.start();
    this.connections.add(connection);
    connection.open();
    void connection.check();
    return () => {
      if (this.connections.delete(connection) && this.connections.size === 0) void this.watch.stop();
    };
  }
}

function moduleOf(modules: ModulesContainer, realm: string | undefined, name: string) {
  const found = [...modules.values()].flatMap(({ providers }) => {
    const authenticator = providers.get(SessionAuthenticator)?.instance as SessionAuthenticator | undefined;
    const runtime = providers.get(SessionRuntime)?.instance as SessionRuntime | undefined;
    return authenticator && runtime ? [{ authenticator, runtime }] : [];
  });
  const fitting = found.filter(({ runtime }) => realm === undefined || runtime.options.realm === realm);
  if (fitting.length === 1) return fitting[0]!;
  const realms = found.map(({ runtime }) => `"${runtime.options.realm}"`).join(', ') || 'none';
  throw misused(
    `${name} needs one SessionModule: set its option "realm" to one of the application's realms (${realms})`,
  );
}
