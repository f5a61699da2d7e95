import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, jest } from '@jest/globals';
import {
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  type LoggerService,
  Module,
  type ModuleMetadata,
  Req,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, CurrentSession, CurrentUser, type SessionModuleOptions } from 'nestjs-latchkey';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { SqliteEngine } from 'lib/sqlite-engine.js';
import { SECRET, type Services, patient, servicesOf } from '../support/sessions.js';
import { sqliteOptions } from '../support/databases.js';

/** How a server joins repeated header lines and matches paths; the defaults of both frameworks if not given. */
export interface ServerOptions {
  readonly joinDuplicateHeaders?: boolean;
  readonly trustProxy?: boolean;
  /** Fastify only: the settings under which most spellings of a path reach a route. */
  readonly lenientPaths?: boolean;
}

export interface AdapterKind {
  readonly name: 'Express' | 'Fastify';
  readonly create: (options?: ServerOptions) => AbstractHttpAdapter;
}

class JoiningExpressAdapter extends ExpressAdapter {
  override initHttpServer(): void {
    this.httpServer = http.createServer({ joinDuplicateHeaders: true }, this.getInstance());
  }
}

/** The two HTTP frameworks that everything must be the same on. */
export const adapters: readonly AdapterKind[] = [
  {
    name: 'Express',
    create: ({ joinDuplicateHeaders, trustProxy } = {}) => {
      const adapter = joinDuplicateHeaders ? new JoiningExpressAdapter() : new ExpressAdapter();
      if (trustProxy) adapter.set('trust proxy', true);
      return adapter;
    },
  },
  {
    name: 'Fastify',
    create: ({ joinDuplicateHeaders = false, trustProxy = false, lenientPaths = false } = {}) =>
      new FastifyAdapter({
        http: { joinDuplicateHeaders },
        trustProxy,
        routerOptions: {
          caseSensitive: !lenientPaths,
          ignoreTrailingSlash: lenientPaths,
          ignoreDuplicateSlashes: lenientPaths,
          // Missing in its types.
          ...{ useSemicolonDelimiter: lenientPaths },
        },
      }),
  },
];

/** Options of a SessionModule on a database of its own, which reads the database for every good token. */
export function sessionOptions(options: Partial<SessionModuleOptions> = {}): SessionModuleOptions {
  return {
    secret: SECRET,
    database: sqliteOptions(':memory:'),
    nearCache: false,
    ...options,
    timing: patient(options.timing),
  };
}

export interface HttpApp extends Services {
  readonly app: INestApplication;
  readonly port: number;
  readonly send: (request?: RawRequest) => Promise<RawAnswer>;
  /** Sends it with a token in the right place. */
  readonly sendWith: (token: string, request?: RawRequest) => Promise<RawAnswer>;
  readonly close: () => Promise<void>;
}

export interface StartOptions extends ServerOptions {
  readonly logger?: LoggerService;
  readonly configure?: (app: INestApplication) => unknown;
}

/** Starts an application with these imports, controllers and providers on a free port. */
export async function startApp(kind: AdapterKind, root: ModuleMetadata, options: StartOptions = {}): Promise<HttpApp> {
  @Module(root)
  class Root {}
  const app = await NestFactory.create(Root, kind.create(options), {
    logger: options.logger ?? false,
    abortOnError: false,
  });
  await options.configure?.(app);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as http.Server).address() as AddressInfo;
  const send = (request: RawRequest = {}) => exchange(port, request);
  return {
    app,
    port,
    ...servicesOf(app),
    send,
    sendWith: (token, { lines = [], ...rest } = {}) =>
      send({ ...rest, lines: [`Authorization: Bearer ${token}`, ...lines] }),
    close: () => app.close(),
  };
}

/** An application for the tests of one block: starts before them and closes after them. */
export function useApp<App extends HttpApp>(start: () => Promise<App>): App {
  const app = {} as App;
  beforeAll(async () => void Object.assign(app, await start()));
  afterAll(() => app.close());
  return app;
}

/** Makes a node with a near cache answer from memory, as it does once it has polled. */
export async function startCaching({ app }: Pick<HttpApp, 'app'>): Promise<void> {
  const { coherence } = app.get(SessionRuntime, { strict: false });
  for (let poll = 0; poll < 2; poll++) await coherence.poll();
  if (!coherence.caching) throw new Error('The node does not answer from memory.');
}

/** Makes a controller from paths with their decorators; its routes answer who they take for the user. */
export function controllerOf(
  prefix: string,
  routes: Readonly<Record<string, readonly MethodDecorator[]>>,
  ...decorators: readonly ClassDecorator[]
): Type<object> {
  class Routes {}
  for (const [path, own] of Object.entries(routes)) {
    const value = (user: unknown, ofSession: unknown, request: { readonly user?: unknown }) => {
      return { user, ofSession, same: request.user === user };
    };
    const descriptor = { value, configurable: true, writable: true };
    Object.defineProperty(Routes.prototype, path, descriptor);
    for (const [index, take] of [CurrentUser(), CurrentSession('userId'), Req()].entries()) {
      take(Routes.prototype, path, index);
    }
    for (const decorate of [Get(path), ...own]) decorate(Routes.prototype, path, descriptor);
  }
  for (const decorate of [Controller(prefix), ...decorators]) decorate(Routes);
  return Routes;
}

@Controller()
@UseGuards(AuthGuard)
export class MeController {
  @Get('me')
  me(@CurrentUser('userId') userId: string) {
    return { userId };
  }
}

/** Guards messages of a connection by the request that opened it. */
export class SocketGuard extends AuthGuard {
  override getRequest(context: ExecutionContext) {
    return context.switchToWs().getClient<{ handshake: object }>().handshake;
  }
}

/** A guard of an application, as Nest makes it. */
export function guardIn(app: INestApplication, Guard: new () => AuthGuard = AuthGuard): AuthGuard {
  return Object.assign(new Guard(), { authenticator: app.get(SessionAuthenticator, { strict: false }) });
}

/** Counts how often verifications ask the database from here on, until mocks are restored. */
export function countQueries(): () => number {
  const read = jest.spyOn(SqliteEngine.prototype, 'read');
  return () => read.mock.calls.filter(([, { lane }]) => lane === 'verify').length;
}

export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  /** Header lines, byte for byte (latin1). */
  readonly lines?: readonly string[];
  readonly body?: string;
}

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name; repeated ones joined by a line feed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body as JSON; an empty object if it is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

export const json = (path: string, value: unknown, method = 'POST') => ({
  method,
  path,
  lines: ['Content-Type: application/json'],
  body: JSON.stringify(value),
});

/** One request over a socket of its own, byte for byte, and everything that came back. */
export function exchange(
  port: number,
  { method = 'GET', path = '/me', lines = [], body }: RawRequest,
): Promise<RawAnswer> {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const host = lines.some((line) => /^host:/i.test(line)) ? [] : ['Host: localhost'];
  const head = [`${method} ${path} HTTP/1.1`, ...host, 'Connection: close', ...lines, ...length, '', ''];
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), Buffer.from(body ?? '')]));
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that refuses a request unread resets the connection behind its answer.
    socket.on('error', (error) => (chunks.length > 0 ? undefined : reject(error)));
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('utf8'))));
  });
}

function parseAnswer(answer: string): RawAnswer {
  const end = answer.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = answer.slice(0, end < 0 ? undefined : end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}\n${value}` : value;
  }
  const text = end < 0 ? '' : answer.slice(end + 4);
  return { status: Number(statusLine.split(' ')[1]), headers, text, json: parseJson(text) };
}

function parseJson(text: string): RawAnswer['json'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as RawAnswer['json']) : {};
  } catch {
    return {};
  }
}

export function verdict({ status, headers, json }: RawAnswer) {
  return { status, errorCode: json.errorCode, challenge: headers['www-authenticate'] };
}

/** The answers of a realm by the table of RFC 6750 section 3.1. */
export function answersOf(realm: string) {
  const bearer = `Bearer realm="${realm}"`;
  return {
    missing: { status: 401, errorCode: 'TOKEN_MISSING', challenge: bearer },
    malformed: {
      status: 400,
      errorCode: 'TOKEN_MALFORMED',
      challenge: `${bearer}, error="invalid_request", error_description="Malformed access token: expected 'Authorization: Bearer <token>'."`,
    },
    unknown: {
      status: 401,
      errorCode: 'TOKEN_INVALID',
      challenge: `${bearer}, error="invalid_token", error_description="Unknown access token. Log in again."`,
    },
    good: { status: 200, errorCode: undefined, challenge: undefined },
    parser: (status: number) => ({ status, errorCode: undefined, challenge: undefined }),
  };
}
