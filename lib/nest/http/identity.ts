import { type ExecutionContext, type PipeTransform, type Type, createParamDecorator } from '@nestjs/common';
import type { Claims, UserSession } from '../../model/session.js';
import type { BrowserRequest, Channel } from '../cookies/request-origin.js';
import type { RenewedToken } from '../../model/verification.js';
import type { OpenSocket } from './open-sockets.js';

/** User of the current request: the claims of the session, and the user id. */
export type CurrentSessionUser<C extends object = Claims> = Readonly<C & { userId: string }>;

type IdentityFields = Omit<AuthenticatedSession, 'with'>;

/** Identity verified by a guard. Its private field distinguishes it from objects that arrive from outside. */
export class AuthenticatedSession {
  readonly #verified = true;
  /** Claims and id of the user, or the return value of a subclass's handleRequest. */
  readonly user: unknown;
  /** Null if a subclass's handleRequest returned a user for a request without a valid token. */
  readonly session: UserSession | null;
  /** True if the database was asked for this request. */
  readonly strict: boolean;
  /** Successor of the token, if the client should switch to it. */
  readonly renewed: RenewedToken | null;
  /** The module that verified it, because several may guard one request. */
  readonly by: object;
  /** True if a cookie proved it. */
  readonly byCookie: boolean;

  constructor({ user, session, strict, renewed, by, byCookie }: IdentityFields) {
    this.user = user;
    this.session = session;
    this.strict = strict;
    this.renewed = renewed;
    this.by = by;
    this.byCookie = byCookie;
  }

  static is(value: unknown): value is AuthenticatedSession {
    return typeof value === 'object' && value !== null && #verified in value && value.#verified;
  }

  with(changes: Partial<IdentityFields>): AuthenticatedSession {
    return new AuthenticatedSession({ ...this, ...changes });
  }
}

/** `latchkey` is a plain name for V8's sake (see fast-path/hidden-classes.ts); only an AuthenticatedSession counts. */
export interface GuardedRequest extends BrowserRequest {
  ip?: unknown;
  user?: unknown;
  latchkey?: unknown;
  /** Set for one that opened a connection. */
  readonly channel?: Channel;
}

/** Request behind an execution context, with its response and its connection, null where there is none. */
export interface Incoming {
  readonly request: GuardedRequest;
  readonly response: unknown;
  /** Set where the connection outlives the request. */
  readonly socket: OpenSocket | null;
}

/** Identity verified by guards for one handler, where there is no HTTP request to hold it. */
interface HandlerIdentity {
  readonly handler: object;
  readonly controller: object;
  identity: AuthenticatedSession | null;
  /** As the guard saw it. */
  request: GuardedRequest;
  /** Set once two sessions were seen: executions that cannot be told apart get no identity. */
  mixed: boolean;
}

/** Socket that an adapter of nestjs-latchkey/websockets verified when it was opened. */
export interface AuthenticatedSocket {
  readonly identity: AuthenticatedSession | null;
  /** Seen by guards as the request. */
  readonly request: GuardedRequest;
}

/** By socket. */
export const sockets = new WeakMap<object, AuthenticatedSocket>();

/** By GraphQL field, identified by its path. */
const fields = new WeakMap<object, AuthenticatedSession | null>();
/** By message of a socket or a microservice. */
const messages = new WeakMap<object, HandlerIdentity[]>();

/**
 * Keyed by objects that the server created, so that client input cannot forge it. HTTP requests also get `user`, which
 * other libraries read. @param request the guard's request for this execution
 */
export function setIdentity(
  context: ExecutionContext,
  request: GuardedRequest,
  identity: AuthenticatedSession | null,
): void {
  const type = context.getType<string>();
  if (type === 'http') {
    const carrier = context.getArgByIndex<GuardedRequest>(0);
    // Another guard has set it, and the application may have replaced the user since.
    if (identity && carrier.latchkey === identity) return;
    carrier.user = identity?.user ?? null;
    carrier.latchkey = identity;
    return;
  }
  const key = lastObject(context);
  if (type !== 'graphql') {
    if (key) setMessageIdentity(context, key, request, identity);
    return;
  }
  if (key) fields.set(pathOf(key) ?? key, identity);
  if (isHttpRequest(request)) request.user = identity?.user ?? null;
}

/** True if a guard of the same module admitted this message, with a user or without. */
export function wasJudged(context: ExecutionContext, by: object): boolean {
  const key = lastObject(context);
  const noted = key && find(context, key);
  return Boolean(noted) && (noted!.identity === null || noted!.identity.by === by);
}

/** Returns the request of a message whose user a guard verified; null if none did. */
export function requestOfMessage(context: ExecutionContext): GuardedRequest | null {
  const key = lastObject(context);
  return (key && find(context, key)?.request) ?? null;
}

export function identityOf(context: ExecutionContext): AuthenticatedSession | null {
  const type = context.getType<string>();
  if (type === 'http') {
    const noted = context.getArgByIndex<GuardedRequest | undefined>(0)?.latchkey;
    return AuthenticatedSession.is(noted) ? noted : null;
  }
  const key = lastObject(context);
  if (!key) return null;
  if (type === 'graphql') return fieldIdentity(key);
  const noted = find(context, key);
  const found = noted && !noted.mixed ? noted.identity : null;
  return found ?? (type === 'ws' ? (sockets.get(context.getArgByIndex(0))?.identity ?? null) : null);
}

/** Guards run for fields of an object only if the application enables it; otherwise the nearest field above counts. */
function fieldIdentity(key: object): AuthenticatedSession | null {
  for (let path = pathOf(key) ?? key; ; path = (path as { prev?: object }).prev!) {
    const identity = fields.get(path);
    if (identity !== undefined) return identity;
    if (!isObject((path as { prev?: unknown }).prev)) return null;
  }
}

function setMessageIdentity(
  context: ExecutionContext,
  key: object,
  request: GuardedRequest,
  identity: AuthenticatedSession | null,
): void {
  const known = find(context, key);
  if (known) {
    // A message without its own object is identified by its connection, which may have others in flight.
    const isConnection = context.getType() === 'ws' && key === context.getArgByIndex<unknown>(0);
    known.mixed ||= isConnection && !isSame(known.identity, identity);
    known.identity = identity;
    known.request = request;
    return;
  }
  const added = { handler: context.getHandler(), controller: context.getClass(), identity, request, mixed: false };
  messages.set(key, [...(messages.get(key) ?? []), added]);
}

function find(context: ExecutionContext, key: object): HandlerIdentity | undefined {
  const [handler, controller] = [context.getHandler(), context.getClass()];
  return messages.get(key)?.find((one) => one.handler === handler && one.controller === controller);
}

/** Guards of several modules may run in one execution. */
function isSame(one: AuthenticatedSession | null, other: AuthenticatedSession | null): boolean {
  return one && other ? one.by !== other.by || one.session?.id === other.session?.id : one === other;
}

/** Finds the info of a field, the context or call of a microservice, the data of a message, or else its connection. */
function lastObject(context: ExecutionContext): object | null {
  return context.getArgs<unknown[]>().findLast((argument) => isObject(argument)) ?? null;
}

function pathOf(info: object): object | null {
  const { path } = info as { path?: unknown };
  return isObject(path) ? path : null;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Detects requests created by Express or Fastify: parsed text has no methods. */
function isHttpRequest(request: object): boolean {
  const { on, raw } = request as { on?: unknown; raw?: { on?: unknown } | null };
  return [on, raw?.on].some((method) => typeof method === 'function');
}

/** Type of createParamDecorator in every supported version of Nest. */
type ParameterOf<Property extends string> = (
  property?: Property | PipeTransform | Type<PipeTransform>,
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator;

/**
 * Injects the user verified by a guard of this library for this request, message or field: the claims given at login
 * and `userId`, or the return value of a subclass's handleRequest. Takes the name of one property, as in
 * `@CurrentUser('userId')`. Null if no guard verified a user.
 */
export const CurrentUser: ParameterOf<keyof CurrentSessionUser | (string & Record<never, never>)> =
  createParamDecorator((property: string | undefined, context: ExecutionContext): unknown =>
    partOf(identityOf(context)?.user, property),
  );

/** Injects the session of CurrentUser, or one of its properties, as in `@CurrentSession('id')`. Null if there is none. */
export const CurrentSession: ParameterOf<keyof UserSession> = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => partOf(identityOf(context)?.session, property),
);

/** Own properties only, so that no name reaches a prototype. */
function partOf(target: unknown, property: string | undefined): unknown {
  if (target === undefined || target === null) return null;
  if (property === undefined) return target;
  return Object.hasOwn(target, property) ? (target as Record<string, unknown>)[property] : undefined;
}
