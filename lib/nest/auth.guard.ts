import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import type { VerifiedToken } from '../core/verified-tokens.js';
import type { AuthenticatedSession, GuardedRequest } from './current-session.js';
import { type HttpAnswer, setHeaders } from './http-answer.js';
import { passOnRenewedToken } from './renewed-token-header.js';
import { type RouteRules, routeRules } from './route-rules.js';
import { type AuthenticationAttempt, RefusedRequest, SessionAuthenticator } from './session-authenticator.js';

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
 * To guard another transport, override `getRequest` and `getResponse`:
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
  private readonly attempts = new WeakMap<ExecutionContext, AuthenticationAttempt>();
  /** Whether a subclass wants to see what passport does, which then does it for every request. */
  private readonly needsPassport: boolean;
  private readonly rules = new WeakMap<object, RulesOfHandler>();

  constructor(
    private readonly authenticator: SessionAuthenticator,
    private readonly reflector: Reflector,
  ) {
    const options = Object.freeze({ defaultStrategy: authenticator.strategyName });
    super(options);
    // PassportModule's options are injected into this property wherever an application has them, and would put another
    // strategy in the place of ours.
    Object.defineProperty(this, 'options', { get: () => options, set: () => {} });
    const own = AuthGuard.prototype;
    this.needsPassport = HOOKS.some((hook) => this[hook] !== own[hook]);
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
    const before = this.authenticator.resultOf(request, rules);
    if (before) return this.admit(context, request, rules, before);
    return this.needsPassport ? this.authenticate(context, rules) : this.activateInBatch(context, request, rules);
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

  /** The response of an HTTP context. */
  getResponse(context: ExecutionContext): unknown {
    return context.getArgByIndex<unknown>(1);
  }

  /** What passport passes on to the strategy. A subclass may add to it. */
  override getAuthenticateOptions(context: ExecutionContext): object {
    return { attempt: this.attempts.get(context) };
  }

  /** Sees what passport came to. */
  override handleRequest<T>(error: unknown, user: T, _info: unknown, context: ExecutionContext): T {
    if (error instanceof RefusedRequest) this.refuse(context, error.answer);
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- passed on as it came
    if (error) throw error;
    return user;
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
    const request = this.getRequest(context);
    // The messages of a socket are kept in order: none overtakes another because its token is remembered.
    const isMessage = ['ws', 'rpc'].includes(context.getType());
    const token = this.needsPassport || isMessage ? null : this.authenticator.usualToken(request, rules, known);
    const verified = token === null ? null : { token, known, result: await this.authenticator.verify(token, known) };
    const result =
      (verified && this.authenticator.acceptRemembered(request, rules, verified)) ??
      (await this.runPassport(context, { rules, verified }));
    if (result.renewed) passOnRenewedToken(this.getResponse(context), result.renewed, this.authenticator.headers);
    return this.admit(context, request, rules, result);
  }

  private admit(
    context: ExecutionContext,
    request: GuardedRequest,
    rules: RouteRules,
    result: AuthenticatedSession,
  ): true {
    request.user = result.user;
    request.latchkey = result;
    const refusal = this.authenticator.refusalBy(rules, result.session);
    if (refusal) this.refuse(context, refusal);
    return true;
  }

  private async runPassport(context: ExecutionContext, attempt: AuthenticationAttempt): Promise<AuthenticatedSession> {
    this.attempts.set(context, attempt);
    await super.canActivate(context);
    const { result } = attempt;
    // A strategy that calls pass() makes the passport guard say yes without a user; this one does not.
    if (!result) this.refuse(context, this.authenticator.answer('TOKEN_MISSING'));
    return result;
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
