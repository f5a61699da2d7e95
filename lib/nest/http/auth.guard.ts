import { type CanActivate, type ExecutionContext, Inject, Injectable, UnauthorizedException } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import { type HttpAnswer, setHeaders } from './answers.js';
import { AuthenticatedSession, type GuardedRequest, setIdentity } from './identity.js';
import { PassportRun, runPassport } from './passport-hooks.js';
import { passOnRenewedToken } from './renewed-token-header.js';
import { RulesOfRoutes, type RouteRules, asksForSession } from './route-rules.js';
import { SESSION_MODULE, type SessionAuthenticator } from './session-authenticator.js';

/** Hooks of passport's guard that make passport run if a subclass overrides one. */
const PASSPORT_HOOKS = ['handleRequest', 'getAuthenticateOptions'] as const;

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
  private readonly rules: RulesOfRoutes;
  private hasHooks: boolean | undefined;

  constructor(
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
    reflector: Reflector,
  ) {
    super({ defaultStrategy: authenticator.strategyName });
    this.rules = new RulesOfRoutes(reflector);
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const { authenticator } = this;
    const rules = this.rules.of(context);
    if (rules.isPublic) return true;
    const request = this.requestOf(context);
    const before = this.foundBefore(context, request, rules);
    let identity: AuthenticatedSession | null = before;
    if (this.needsPassport) {
      identity = await this.askHooks(context, new PassportRun({ authenticator, request, rules, identity: before }));
    } else if (!identity) {
      // Together with the other requests of this turn. The token is looked at afterwards, so that no verdict is older than that.
      if (context.getType() === 'http') await authenticator.batch.join();
      const outcome = authenticator.authenticate(request, rules);
      const verdict = outcome instanceof AuthenticatedSession ? outcome : await outcome;
      identity = verdict instanceof AuthenticatedSession ? verdict : this.refuse(context, verdict);
    }
    if (identity?.renewed && !before) {
      passOnRenewedToken(this.getResponse(context), identity.renewed, authenticator.headers);
    }
    setIdentity(context, request, identity);
    const refusal = identity?.session && authenticator.refusalBy(rules, identity.session);
    if (refusal) this.refuse(context, refusal);
    return true;
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

  /** Takes nothing but the headers of a payload that a subclass takes for the request. */
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

  /**
   * The identity that another guard of this module has found for the same request, if it was as strict as this route. Only over
   * HTTP is the request a new object each time, and only if it is the same object does it hold the same credential.
   */
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

  /** Properties of a subclass are there only after the constructor. */
  private get needsPassport(): boolean {
    return (this.hasHooks ??= PASSPORT_HOOKS.some((hook) => this[hook] !== AuthGuard.prototype[hook]));
  }

  /** Has passport and the hooks of a subclass judge a request; null where it may pass without a user. */
  private async askHooks(context: ExecutionContext, run: PassportRun): Promise<AuthenticatedSession | null> {
    const returned = await runPassport(this, context, run);
    const { identity } = run;
    // A strategy that calls pass() makes the passport guard say yes without a user; this one does not. And no hook turns
    // what could not be judged into a verdict.
    if (!returned || (run.refused?.exception.getStatus() ?? 0) >= 500) this.refuse(context, run.refusal);
    const { user } = returned;
    if (user === undefined || user === false) {
      if (!identity) this.refuse(context, run.refusal);
      throw new TypeError(
        `handleRequest of ${this.constructor.name} returned ${String(user)}: return the user, or null for none, or throw.`,
      );
    }
    if (identity && user !== null) return user === identity.user ? identity : identity.with({ user });
    if (asksForSession(run.rules)) this.refuse(context, run.refusal);
    if (user === null) return null;
    return new AuthenticatedSession({ user, session: null, strict: false, renewed: null, by: this.authenticator });
  }

  private refuse(context: ExecutionContext, { exception, headers }: HttpAnswer): never {
    setHeaders(this.getResponse(context), headers);
    throw exception;
  }
}

// Passport's guard of Nest 11 has an optional first argument, which a subclass inherits: without this, Nest would pass on undefined.
Reflect.defineMetadata('optional:paramtypes', [], AuthGuard);
