import type { IncomingMessage } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import { misused } from '../../model/session-error.js';
import type { GuardedRequest, Incoming } from '../http/identity.js';
import type { OpenSocket } from '../http/open-sockets.js';
import { LookUps } from './look-ups.js';
import { responseOf } from './responses.js';

/** Parts of a GraphQL context that AuthGuard needs; see the option `graphql` of SessionModule. */
export interface GraphqlParts {
  /** Request of Express or Fastify, or the one that opened the socket: anything with headers. */
  readonly request: object;
  /** Response of Express or reply of Fastify, for a renewed token. */
  readonly response?: object | null;
  /** WebSocket that a subscription goes through; it is closed with the session. */
  readonly socket?: object | null;
}

/** Finds the parts of a GraphQL context. */
export type FindGraphqlParts = (context: object) => GraphqlParts;

/** Context of Apollo, graphql-ws or mercurius, or of graphql-ws as the `req` of Apollo's context. */
interface KnownContext {
  readonly req?: KnownContext & GuardedRequest;
  readonly res?: unknown;
  readonly request?: GuardedRequest;
  readonly reply?: unknown;
  readonly socket?: unknown;
  /** graphql-ws. */
  readonly extra?: { readonly request?: GuardedRequest; readonly socket?: unknown };
  readonly connectionParams?: unknown;
  /** mercurius, in contexts of sockets alone. */
  readonly _connectionInit?: unknown;
}

const HINT = 'Keep the context of the driver, or name its parts by the option "graphql" of SessionModule';

/** Returns the request behind a field. @throws SessionError CONFIGURATION_INVALID if its context has none */
export function operationOf(context: ExecutionContext, find: FindGraphqlParts | undefined): Incoming {
  const found = findOperation(context, find);
  if (!found) throw misused(`The GraphQL context of ${placeOf(context)} holds no request with headers. ${HINT}`);
  if (isSubscription(context) && !found.socket) {
    throw misused(
      `The GraphQL context of the subscription ${placeOf(context)} holds no socket to close when the session ends. ${HINT}; with ` +
        'mercurius, set subscription: { context: (socket) => ({ socket }) }',
    );
  }
  return found;
}

/** The same, or null for a context of an unknown shape. */
export function findOperation(context: ExecutionContext, find: FindGraphqlParts | undefined): Incoming | null {
  const args = context.getArgs<unknown[]>();
  // Root, arguments, context and info; references of a federation have no arguments.
  const given = args.length === 3 || args.length === 4 ? args.at(-2) : undefined;
  if (!isObject(given)) return null;
  const parts = find ? find(given) : knownParts(given);
  const { request, response = null, socket = null, params } = (parts ?? {}) as Partial<KnownParts>;
  if (!isObject(request) || !isObject(request.headers)) return null;
  if (isSocket(socket)) {
    return { request: requestOfSocket(context, request, params), response: null, socket };
  }
  LookUps.share(request);
  return { request, response: response ?? responseOf(request), socket: null };
}

interface KnownParts extends GraphqlParts {
  readonly request: GuardedRequest;
  /** Payload of the client's first message. */
  readonly params?: unknown;
}

function knownParts(given: KnownContext): Partial<KnownParts> {
  const { req, res, request = req, reply, socket } = given;
  const ws = [req, given].find((one) => isObject(one?.extra));
  if (ws) return { request: ws.extra!.request!, socket: ws.extra!.socket as object, params: ws.connectionParams };
  if ('_connectionInit' in given) return { request: request!, socket: socket as object, params: given._connectionInit };
  return { request: request!, response: (res ?? reply) as object };
}

/** Requests of sockets by execution: what one execution found, the next event of a subscription must ask again. */
const requests = new WeakMap<object, GuardedRequest>();

/** Makes the request of an operation from the one that opened its socket, and the client's first message. */
function requestOfSocket(context: ExecutionContext, opening: GuardedRequest, params: unknown): GuardedRequest {
  const { variableValues } = infoOf(context);
  const known = variableValues && requests.get(variableValues);
  if (known) return known;
  const { headers, ip, protocol, host, socket } = asSent(opening);
  const authorization = authorizationOf(params) ?? headers?.authorization;
  const request: GuardedRequest = {
    headers: { ...headers, authorization },
    ip,
    protocol,
    host,
    socket,
    channel: 'socket',
  };
  LookUps.share(request);
  if (variableValues) requests.set(variableValues, request);
  return request;
}

/** Hides headers that mercurius adds from the client's first message, which any page can write: Fastify reads the host from them. */
function asSent(opening: GuardedRequest & { readonly raw?: GuardedRequest }): GuardedRequest {
  const { raw } = opening;
  const { headersDistinct } = (raw ?? opening) as Partial<IncomingMessage>;
  if (!headersDistinct) return opening;
  const sent = Object.entries(opening.headers ?? {}).filter(([name]) => Object.hasOwn(headersDistinct, name));
  const headers = { value: Object.fromEntries(sent) };
  const behind = raw && { raw: { value: Object.create(raw, { headers }) as object } };
  return Object.create(opening, { headers, ...behind }) as GuardedRequest;
}

/** Reads the token of a connection where clients of graphql-ws and mercurius put it: never deeper, and no other name. */
function authorizationOf(params: unknown): unknown {
  if (!isObject(params)) return undefined;
  const names = ['Authorization', 'authorization'].filter((name) => Object.hasOwn(params, name));
  return names.length > 0 ? (params as Record<string, unknown>)[names[0]!] : undefined;
}

interface FieldInfo {
  readonly operation?: { readonly operation?: unknown };
  /** Made anew for every execution, also for each event of a subscription. */
  readonly variableValues?: object;
}

function infoOf(context: ExecutionContext): FieldInfo {
  const info: unknown = context.getArgs<unknown[]>().at(-1);
  const { operation, variableValues } = (isObject(info) ? info : {}) as FieldInfo;
  return { operation, ...(isObject(variableValues) && { variableValues }) };
}

/** True for a field of an operation that lives as long as its socket. */
export function isSubscription(context: ExecutionContext): boolean {
  return infoOf(context).operation?.operation === 'subscription';
}

function placeOf(context: ExecutionContext): string {
  return `${context.getClass().name}.${context.getHandler().name}()`;
}

function isSocket(value: unknown): value is OpenSocket {
  const { close, once } = (value ?? {}) as Partial<OpenSocket>;
  return typeof close === 'function' && typeof once === 'function';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
