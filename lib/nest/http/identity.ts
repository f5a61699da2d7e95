import { type ExecutionContext, type PipeTransform, type Type, createParamDecorator } from '@nestjs/common';
import type { Claims, UserSession } from '../../model/session.js';
import type { RenewedToken } from '../../model/verification.js';

/** The user of the current request: the claims of the session, and the user's id. */
export type CurrentSessionUser<C extends object = Claims> = Readonly<C & { userId: string }>;

interface IdentityFields {
  /** The claims and the id of the user, or what handleRequest of a subclass made of them. */
  readonly user: unknown;
  /** Null where handleRequest of a subclass returned a user for a request without a good token. */
  readonly session: UserSession | null;
  /** The database was asked for this request. */
  readonly strict: boolean;
  /** The successor of the token, if the client should use it from now on. */
  readonly renewed: RenewedToken | null;
  /** The module that verified it: several may guard one request. */
  readonly by: object;
}

/** The identity that a guard verified. Its private name tells it from any object that arrives from outside. */
export class AuthenticatedSession implements IdentityFields {
  readonly #verified = true;
  readonly user: unknown;
  readonly session: UserSession | null;
  readonly strict: boolean;
  readonly renewed: RenewedToken | null;
  readonly by: object;

  constructor({ user, session, strict, renewed, by }: IdentityFields) {
    this.user = user;
    this.session = session;
    this.strict = strict;
    this.renewed = renewed;
    this.by = by;
  }

  static is(value: unknown): value is AuthenticatedSession {
    return typeof value === 'object' && value !== null && #verified in value && value.#verified;
  }

  with(changes: Partial<IdentityFields>): AuthenticatedSession {
    return new AuthenticatedSession({ ...this, ...changes });
  }
}

/**
 * A request of Express or Fastify, with what AuthGuard puts on it. Only an AuthenticatedSession counts as `latchkey`, which has a
 * plain name for the sake of V8: see fast-path/hidden-classes.ts.
 */
export interface GuardedRequest {
  ip?: unknown;
  headers?: Readonly<Record<string, unknown>>;
  user?: unknown;
  latchkey?: unknown;
}

/** The identity that guards verified for one handler, where there is no HTTP request to keep it on. */
interface HandlerIdentity {
  readonly handler: object;
  readonly controller: object;
  identity: AuthenticatedSession | null;
  /** Set once there were two sessions: executions that cannot be told apart have no identity. */
  mixed: boolean;
}

/** By the field of a GraphQL operation, which is known by its path. */
const fields = new WeakMap<object, AuthenticatedSession | null>();
/** By the message of a socket or a microservice. */
const messages = new WeakMap<object, HandlerIdentity[]>();

/**
 * Notes the identity that a guard verified for an execution; null for none. It is kept by objects that the server made, so
 * that nothing that a client sends can stand in for it. Requests over HTTP also get their `user`, which other libraries read.
 * @param request what the guard took for the request of the execution
 */
export function setIdentity(
  context: ExecutionContext,
  request: GuardedRequest,
  identity: AuthenticatedSession | null,
): void {
  const type = context.getType<string>();
  if (type === 'http') {
    const carrier = context.getArgByIndex<GuardedRequest>(0);
    carrier.user = identity?.user ?? null;
    carrier.latchkey = identity;
    return;
  }
  const key = lastObject(context);
  if (type !== 'graphql') {
    if (key) setMessageIdentity(context, key, identity);
    return;
  }
  if (key) fields.set(pathOf(key) ?? key, identity);
  if (isHttpRequest(request)) request.user = identity?.user ?? null;
}

/** The identity that a guard verified for this execution, or null. */
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
  return noted && !noted.mixed ? noted.identity : null;
}

/** Guards run for fields of an object only if the application asks for it; otherwise the nearest field above counts. */
function fieldIdentity(key: object): AuthenticatedSession | null {
  for (let path = pathOf(key) ?? key; ; path = (path as { prev?: object }).prev!) {
    const identity = fields.get(path);
    if (identity !== undefined) return identity;
    if (!isObject((path as { prev?: unknown }).prev)) return null;
  }
}

function setMessageIdentity(context: ExecutionContext, key: object, identity: AuthenticatedSession | null): void {
  const known = find(context, key);
  if (known) {
    // A message without an object of its own is known by its connection, which has others under way.
    const isConnection = context.getType() === 'ws' && key === context.getArgByIndex<unknown>(0);
    known.mixed ||= isConnection && !isSame(known.identity, identity);
    known.identity = identity;
    return;
  }
  const added = { handler: context.getHandler(), controller: context.getClass(), identity, mixed: false };
  messages.set(key, [...(messages.get(key) ?? []), added]);
}

function find(context: ExecutionContext, key: object): HandlerIdentity | undefined {
  const [handler, controller] = [context.getHandler(), context.getClass()];
  return messages.get(key)?.find((one) => one.handler === handler && one.controller === controller);
}

/** Guards of several modules may follow each other in one execution. */
function isSame(one: AuthenticatedSession | null, other: AuthenticatedSession | null): boolean {
  return one && other ? one.by !== other.by || one.session?.id === other.session?.id : one === other;
}

/**
 * The object that tells an execution from others: the info of a GraphQL field, the context or the call of a microservice, the
 * acknowledgement or the data of a message, and where that is text or nothing, its connection.
 */
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

/** Made by a server, of Express or Fastify: nothing that was parsed from text has methods. */
function isHttpRequest(request: object): boolean {
  const { on, raw } = request as { on?: unknown; raw?: { on?: unknown } | null };
  return [on, raw?.on].some((method) => typeof method === 'function');
}

/** The type that createParamDecorator has in every version of Nest that is supported. */
type ParameterOf<Property extends string> = (
  property?: Property | PipeTransform | Type<PipeTransform>,
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator;

/**
 * The user that a guard of this library verified for this request, message or field: the claims given at login and `userId`,
 * or what handleRequest of a subclass returned. Also one property of it, as in `@CurrentUser('userId')`. Null where no guard
 * verified one.
 */
export const CurrentUser: ParameterOf<keyof CurrentSessionUser | (string & Record<never, never>)> =
  createParamDecorator((property: string | undefined, context: ExecutionContext): unknown =>
    partOf(identityOf(context)?.user, property),
  );

/** The session that belongs to CurrentUser, or one property of it, as in `@CurrentSession('id')`. Null where there is none. */
export const CurrentSession: ParameterOf<keyof UserSession> = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => partOf(identityOf(context)?.session, property),
);

/** Own properties only: no name reaches a prototype. */
function partOf(target: unknown, property: string | undefined): unknown {
  if (target === undefined || target === null) return null;
  if (property === undefined) return target;
  return Object.hasOwn(target, property) ? (target as Record<string, unknown>)[property] : undefined;
}
