import {
  type CanActivate,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
  UnauthorizedException,
  UseGuards,
  applyDecorators,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import { isSubscription } from '../graphql/operation.js';
import type { HttpAnswer } from './answers.js';
import { AuthenticatedSession, type GuardedRequest, setIdentity, wasJudged } from './identity.js';
import { answerOf, incomingOf } from './incoming.js';
import { PassportRun, runPassport } from './passport-hooks.js';
import { Optional, type OptionalAuthOptions } from './route-decorators.js';
import { needRealm, tokenOfRealm } from './realms.js';
import { addRefusalHeaders } from './response-head.js';
import { RulesOfRoutes, type RouteRules, asksForSession } from './route-rules.js';
import { SESSION_MODULE, SessionAuthenticator } from './session-authenticator.js';

/** Metadata of Nest: what is injected into properties of a class. */
export const PROPERTY_DEPS_METADATA = 'self:properties_metadata';

/** Hooks of passport's guard; passport runs if a subclass overrides one. */
const PASSPORT_HOOKS = ['handleRequest', 'getAuthenticateOptions'] as const;

/**
 * Admits requests with a valid access token in the Authorization header, and answers all others as RFC 6750 says. Use it on a
 * route with `@UseGuards(AuthGuard)`, or on all with `{ provide: APP_GUARD, useClass: AuthGuard }` and `@Public()` on open ones.
 * The module that uses it must import the SessionModule whose tokens it accepts. It also enforces Sensitive, NoActivity,
 * CheckBan and RequireFresh, and adds a renewed token to the response.
 *
 * A subclass can judge the user in `handleRequest`, as with every passport guard. It gets the user as CurrentUser provides it, or
 * false with the reason as `info`, and returns the user. Null admits the request without a user; false and undefined never do.
 * Its constructor has arguments of its own, and calls `super()`.
 * ```ts
 * class ActiveUserGuard extends AuthGuard {
 *   override handleRequest(error, user, info, context, status) {
 *     if (user && user.suspended) throw new ForbiddenException();
 *     return super.handleRequest(error, user, info, context, status);
 *   }
 * }
 * ```
 *
 * Works in GraphQL resolvers as it does in controllers, with the contexts of Apollo, graphql-ws and mercurius or the option
 * `graphql`. For another transport, override `getRequest`, and `getResponse` if it has one.
 */
@Injectable()
export class AuthGuard extends PassportAuthGuard() implements CanActivate {
  private static readonly ofRealms = new Map<string, typeof AuthGuard>();

  /**
   * Returns the guard of the SessionModule with this realm: one class for each, which can be extended as well.
   * @throws SessionError CONFIGURATION_INVALID unless the realm is text
   */
  static for(realm: string): typeof AuthGuard {
    const known = AuthGuard.ofRealms.get(needRealm(realm, 'AuthGuard.for'));
    if (known) return known;
    class RealmAuthGuard extends AuthGuard {}
    const injected = Reflect.getMetadata(PROPERTY_DEPS_METADATA, AuthGuard) as readonly { type: unknown }[];
    const ofRealm = (type: unknown) => (type === SESSION_MODULE ? tokenOfRealm(realm, SessionAuthenticator) : type);
    const deps = injected.map((one) => ({ ...one, type: ofRealm(one.type) }));
    Reflect.defineMetadata(PROPERTY_DEPS_METADATA, deps, RealmAuthGuard);
    AuthGuard.ofRealms.set(realm, RealmAuthGuard);
    return RealmAuthGuard;
  }

  /** A property, so that constructors of subclasses are their own. */
  @Inject(SESSION_MODULE) private readonly authenticator!: SessionAuthenticator;
  private readonly rules = new RulesOfRoutes(new Reflector());
  private hasHooks: boolean | undefined;

  constructor() {
    // Of the module's own strategy, which runPassport names, nothing is known here.
    super({ defaultStrategy: 'session' });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const { authenticator } = this;
    const rules = this.rules.of(context);
    if (rules.isPublic || (rules.optional && this.leavesToOther(context))) return true;
    const isHttp = context.getType() === 'http';
    const request = this.requestOf(context);
    const before = this.foundBefore(context, request, rules);
    let identity: AuthenticatedSession | null = before;
    if (this.needsPassport) {
      identity = await this.askHooks(context, new PassportRun(authenticator, request, rules, before));
    } else if (!identity) {
      // Joins the other requests of this turn. The token is verified afterwards, so that no verdict predates the batch.
      if (isHttp) await authenticator.batch.join();
      const outcome = isHttp
        ? authenticator.authenticate(request, rules)
        : authenticator.authenticateOnce(request, rules);
      const verdict = outcome instanceof AuthenticatedSession ? outcome : await outcome;
      if (verdict instanceof AuthenticatedSession) identity = verdict;
      else if (!authenticator.mayBeAnonymous(rules, statusOf(verdict.exception)))
        this.refuse(context, request, verdict);
    }
    if (!before && (!identity || identity.renewed || identity.byCookie)) {
      authenticator.passOn(request, this.getResponse(context), identity);
    }
    setIdentity(context, request, identity);
    const refusal = identity?.session && authenticator.refusalBy(rules, identity.session);
    if (refusal) this.refuse(context, request, refusal);
    const socket = isHttp || !identity ? null : answerOf(context, authenticator.findGraphql)?.socket;
    if (identity && socket) authenticator.hold(socket, identity, isSubscription(context) ? rules : null);
    return true;
  }

  /** Returns the request of a context. @throws Error for a kind of context that the library does not know */
  override getRequest(context: ExecutionContext): GuardedRequest {
    return incomingOf(context, this.authenticator.findGraphql).request;
  }

  /** Returns the response of an HTTP request, also behind a GraphQL field; null for any other. */
  getResponse(context: ExecutionContext): unknown {
    return answerOf(context, this.authenticator.findGraphql)?.response ?? null;
  }

  /**
   * Refuses a request without a valid token, and returns the user of any other.
   * @param user as CurrentUser provides it; false without a valid token, undefined if it could not be judged
   * @param info HttpException with the reason for the refusal
   */
  override handleRequest<T>(error: unknown, user: T, info: unknown, context: ExecutionContext, _status?: unknown): T {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- passed on as it came
    if (error) throw error;
    if (user) return user;
    const refusal = info instanceof HttpException ? info : new UnauthorizedException();
    if (this.authenticator.mayBeAnonymous(this.rules.of(context), statusOf(refusal))) return null as T;
    throw refusal;
  }

  /** Does nothing: there is no passport session to log in to. */
  override logIn(): Promise<void> {
    return Promise.reject(
      new Error('AuthGuard keeps no session of passport. Call TokenService.login to open a session.'),
    );
  }

  /** OptionalAuth brings this guard to messages of microservices, which RpcAuthGuard has judged by then. */
  private leavesToOther(context: ExecutionContext): boolean {
    const canRead = context.getType() !== 'rpc' || this.getRequest !== AuthGuard.prototype.getRequest;
    return !canRead && wasJudged(context, this.authenticator);
  }

  /** Reads only the headers of a payload that a subclass presents as the request. */
  private requestOf(context: ExecutionContext): GuardedRequest {
    const request: unknown = this.getRequest(context);
    if (typeof request !== 'object' || request === null) {
      const given = request === null ? 'null' : typeof request;
      throw new TypeError(
        `getRequest of ${this.constructor.name} returned ${given} in a context of type "${context.getType()}": return the request, an object with headers.`,
      );
    }
    const isArgument = context.getType() !== 'http' && context.getArgs<unknown[]>().includes(request);
    return isArgument ? { headers: (request as GuardedRequest).headers } : request;
  }

  /** Reuses what a guard as strict verified for the same HTTP request, which always carries the same credential. */
  private foundBefore(
    context: ExecutionContext,
    request: GuardedRequest,
    rules: RouteRules,
  ): AuthenticatedSession | null {
    if (context.getType() !== 'http' || request !== context.getArgByIndex<unknown>(0)) return null;
    const known = request.latchkey;
    if (!AuthenticatedSession.is(known) || known.by !== this.authenticator || !known.session) return null;
    return known.strict || !rules.strict ? known : null;
  }

  /** Properties of a subclass exist only after the constructor. */
  private get needsPassport(): boolean {
    return (this.hasHooks ??= PASSPORT_HOOKS.some((hook) => this[hook] !== AuthGuard.prototype[hook]));
  }

  /** Lets passport and the hooks of a subclass judge a request; null if it may pass without a user. */
  private async askHooks(context: ExecutionContext, run: PassportRun): Promise<AuthenticatedSession | null> {
    const returned = await runPassport(this, context, run);
    const { identity } = run;
    // A strategy that calls pass() makes passport's guard admit a request without a user; this one does not. And no
    // hook can turn an unknown into a verdict.
    if (!returned || (run.refused?.exception.getStatus() ?? 0) >= 500) this.refuse(context, run.request, run.refusal);
    const { user } = returned;
    if (user === undefined || user === false) {
      if (!identity) this.refuse(context, run.request, run.refusal);
      throw new TypeError(
        `handleRequest of ${this.constructor.name} returned ${String(user)}: return the user, or null for none, or throw.`,
      );
    }
    if (identity && user !== null) return user === identity.user ? identity : identity.with({ user });
    if (asksForSession(run.rules)) this.refuse(context, run.request, run.refusal);
    if (user === null) return null;
    return new AuthenticatedSession({
      user,
      session: null,
      strict: false,
      renewed: null,
      by: this.authenticator,
      byCookie: false,
    });
  }

  private refuse(context: ExecutionContext, request: GuardedRequest, answer: HttpAnswer): never {
    const response = this.getResponse(context);
    // A field of many: the answer is no 401.
    const isAnswer = context.getType<string>() !== 'graphql';
    if (isAnswer) addRefusalHeaders(response, answer.exception.getStatus(), answer.headers);
    this.authenticator.protectRefusal(request, response, answer);
    throw answer.exception;
  }
}

function statusOf(exception: HttpException & { readonly code?: unknown }) {
  return { code: exception.code, status: exception.getStatus() };
}

// Passport's guard of Nest 11 has an optional first argument, which subclasses inherit: without this, Nest would inject
// undefined.
Reflect.defineMetadata('optional:paramtypes', [], AuthGuard);

/**
 * Admits requests without a token to a route or controller: CurrentUser is null there. A good token gives its user, a bad
 * one is refused with its reason. Brings AuthGuard along. The nearest of OptionalAuth, Public and the rules wins.
 */
export function OptionalAuth(options: OptionalAuthOptions = {}): ClassDecorator & MethodDecorator {
  const { realm } = options;
  return applyDecorators(Optional(options), UseGuards(realm === undefined ? AuthGuard : AuthGuard.for(realm)));
}
