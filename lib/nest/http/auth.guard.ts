import { type CanActivate, type ExecutionContext, Inject, Injectable, UnauthorizedException } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import type { VerifiedToken } from '../../verification/verified-tokens.js';
import { AuthenticatedSession, type GuardedRequest } from './current-session.js';
import { setIdentity } from './execution-identity.js';
import { type HttpAnswer, setHeaders } from './http-answer.js';
import { runPassport } from './passport-run.js';
import { passOnRenewedToken } from './renewed-token-header.js';
import { type RouteRules, asksForSession, routeRules } from './route-rules.js';
import { AuthenticationAttempt, SESSION_MODULE, type SessionAuthenticator } from './session-authenticator.js';

/** The rules of a handler's routes: a handler that is inherited has some for each of its controllers. */
interface RulesOfHandler {
  readonly controller: object;
  readonly rules: RouteRules;
  readonly next: RulesOfHandler | null;
}

/** What a subclass may override of what passport is asked and says. */
const HOOKS = ['handleRequest', 'getAuthenticateOptions'] as const;

/**
 * Lets a request pass whose Authorization header holds a good access token, and answers every other one as RFC 6750 says.
 * For a route with `@UseGuards(AuthGuard)`, or for all with `{ provide: APP_GUARD, useClass: AuthGuard }` and `@Public()`
 * on those that are open. The module that uses it imports the SessionModule whose tokens it accepts. What Sensitive,
 * NoActivity, CheckBan and RequireFresh ask of a route is checked here as well, and a renewed token put into the answer.
 *
 * A subclass may judge the user in `handleRequest`, as with every passport guard: it gets the user as CurrentUser gives it, or false with the
 * reason as `info`, and what it returns is the user. Null lets the request pass without a user. False and undefined never do.
 * ```ts
 * class ActiveUserGuard extends AuthGuard {
 *   override handleRequest(error, user, info, context, status) {
 *     if (user && user.suspended) throw new ForbiddenException();
 *     return super.handleRequest(error, user, info, context, status);
 *   }
 * }
 * ```
 *
 * To guard another transport, override `getRequest`, and `getResponse` where there is one:
 * ```ts
 * class GqlAuthGuard extends AuthGuard {
 *   override getRequest(context: ExecutionContext) {
 *     return GqlExecutionContext.create(context).getContext().req;
 *   }
 *   override getResponse(context: ExecutionContext) {
 *     return GqlExecutionContext.create(context).getContext().res;
 *   }
 * }
 * ```
 */
@Injectable()
export class AuthGuard extends PassportAuthGuard() implements CanActivate {
  private hasHooks: boolean | undefined;
  private readonly rules = new WeakMap<object, RulesOfHandler>();

  constructor(
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
    private readonly reflector: Reflector,
  ) {
    super({ defaultStrategy: authenticator.strategyName });
  }

  /**
   * Answers without passport for a token that is remembered as good, which is nearly every request: passport costs more than all the
   * rest. It does everything else, and everything where a subclass has overridden one of its hooks.
   */
  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rules = this.rulesOf(context);
    if (rules.isPublic) return true;
    // Only over HTTP is the request a new object each time: a socket has one for all of its messages.
    if (context.getType() !== 'http') return this.authenticate(context, rules);
    const request = this.getRequest(context);
    if (this.needsPassport) return this.authenticate(context, rules);
    const before = this.resultOf(context, request, rules);
    return before ? this.admit(context, request, rules, before) : this.activateInBatch(context, request, rules);
  }

  /** The request of an HTTP context. @throws for any other context, which this guard does not know */
  override getRequest(context: ExecutionContext): GuardedRequest {
    if (context.getType() !== 'http') {
      throw new Error(
        `AuthGuard cannot guard a context of type "${context.getType()}": override getRequest in a subclass.`,
      );
    }
    return context.getArgByIndex<GuardedRequest>(0);
  }

  /** The response of an HTTP context; null for any other. */
  getResponse(context: ExecutionContext): unknown {
    return context.getType() === 'http' ? context.getArgByIndex<unknown>(1) : null;
  }

  /**
   * Refuses a request without a good token, and returns the user of every other one.
   * @param user as CurrentUser gives it; false without a good token, undefined where it could not be judged
   * @param info the HttpException that says why there is none
   */
  override handleRequest<T>(error: unknown, user: T, info: unknown, _context: ExecutionContext, _status?: unknown): T {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- passed on as it came
    if (error) throw error;
    if (!user) throw info instanceof Error ? info : new UnauthorizedException();
    return user;
  }

  /** There is no session of passport to log in to. */
  override logIn(): Promise<void> {
    return Promise.reject(
      new Error('AuthGuard keeps no session of passport. Call TokenService.login to open a session.'),
    );
  }

  /** Whether a subclass wants to see what passport does, which then does it for every request. Its properties are set after the constructor. */
  private get needsPassport(): boolean {
    return (this.hasHooks ??= HOOKS.some((hook) => this[hook] !== AuthGuard.prototype[hook]));
  }

  /** With the other requests of this turn; the token is looked at when they go on. */
  private async activateInBatch(
    context: ExecutionContext,
    request: GuardedRequest,
    rules: RouteRules,
  ): Promise<boolean> {
    await this.authenticator.batch.join();
    const known = this.authenticator.find(request, rules);
    const result = known && this.authenticator.fromMemory(request, rules, known);
    return result ? this.admit(context, request, rules, result) : this.authenticate(context, rules, known);
  }

  private async authenticate(
    context: ExecutionContext,
    rules: RouteRules,
    known: VerifiedToken | null = null,
  ): Promise<true> {
    const request = this.requestOf(context);
    // The messages of a socket are kept in order: none overtakes another because its token is remembered.
    const isMessage = ['ws', 'rpc'].includes(context.getType());
    const token = this.needsPassport || isMessage ? null : this.authenticator.usualToken(request, rules, known);
    const verified = token === null ? null : { token, known, result: await this.authenticator.verify(token, known) };
    const before = this.resultOf(context, request, rules);
    const result =
      (verified && this.authenticator.acceptRemembered(request, rules, verified)) ??
      (await this.judge(context, rules, new AuthenticationAttempt(request, rules, verified, before)));
    if (result?.renewed && !before) {
      passOnRenewedToken(this.getResponse(context), result.renewed, this.authenticator.headers);
    }
    return this.admit(context, request, rules, result);
  }

  /** What another guard of this module found out about the same request: another object may hold another credential. */
  private resultOf(context: ExecutionContext, request: GuardedRequest, rules: RouteRules): AuthenticatedSession | null {
    const isTheSame = context.getType() === 'http' && request === context.getArgByIndex<unknown>(0);
    return isTheSame ? this.authenticator.resultOf(request, rules) : null;
  }

  /** Of a payload that a subclass takes for the request, nothing but its headers counts. */
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

  private admit(
    context: ExecutionContext,
    request: GuardedRequest,
    rules: RouteRules,
    result: AuthenticatedSession | null,
  ): true {
    setIdentity(context, request, result);
    const refusal = result?.session && this.authenticator.refusalBy(rules, result.session);
    if (refusal) this.refuse(context, refusal);
    return true;
  }

  /** Has passport and the hooks of a subclass judge a request; null where it may pass without a user. */
  private async judge(
    context: ExecutionContext,
    rules: RouteRules,
    attempt: AuthenticationAttempt,
  ): Promise<AuthenticatedSession | null> {
    const refused = () => attempt.refused ?? this.authenticator.answer('TOKEN_MISSING');
    const returned = await runPassport(this, this.authenticator.strategyName, context, attempt, refused);
    const { result } = attempt;
    // A strategy that calls pass() makes the passport guard say yes without a user; this one does not. And no hook turns
    // what could not be judged into a verdict.
    if (!returned || (attempt.refused?.exception.getStatus() ?? 0) >= 500) this.refuse(context, refused());
    const { user } = returned;
    if (user === undefined || user === false) {
      if (!result) this.refuse(context, refused());
      throw new TypeError(
        `handleRequest of ${this.constructor.name} returned ${String(user)}: return the user, or null for none, or throw.`,
      );
    }
    if (result && user !== null) return result.withUser(user);
    if (asksForSession(rules)) this.refuse(context, refused());
    return user === null ? null : new AuthenticatedSession(user, null, false, null, this.authenticator);
  }

  private rulesOf(context: ExecutionContext): RouteRules {
    const handler = context.getHandler();
    const controller = context.getClass();
    const latest = this.rules.get(handler) ?? null;
    for (let known = latest; known; known = known.next) {
      if (known.controller === controller) return known.rules;
    }
    const rules = routeRules(this.reflector, handler, controller);
    this.rules.set(handler, { controller, rules, next: latest });
    return rules;
  }

  private refuse(context: ExecutionContext, { exception, headers }: HttpAnswer): never {
    setHeaders(this.getResponse(context), headers);
    throw exception;
  }
}

// Passport's guard of Nest 11 has an optional first argument, which a subclass inherits: without this, Nest would pass on undefined.
Reflect.defineMetadata('optional:paramtypes', [], AuthGuard);
