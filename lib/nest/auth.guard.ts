import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import { Public } from './decorators.js';
import { type HttpAnswer, setHeaders } from './http-answer.js';
import {
  type AuthenticatedSession,
  CURRENT_SESSION,
  RefusedRequest,
  SessionAuthenticator,
} from './session-authenticator.js';

/**
 * Lets a request pass whose Authorization header holds a good access token, and answers every other one as RFC 6750 says.
 * For a route with `@UseGuards(AuthGuard)`, or for all with `{ provide: APP_GUARD, useClass: AuthGuard }` and `@Public()`
 * on those that are open. The module that uses it imports the SessionModule whose tokens it accepts.
 *
 * To guard another transport, override `getRequest` and `getResponse`:
 * ```ts
 * class GqlAuthGuard extends AuthGuard {
 *   override getRequest(context: ExecutionContext) {
 *     return GqlExecutionContext.create(context).getContext().req;
 *   }
 * }
 * ```
 */
@Injectable()
export class AuthGuard extends PassportAuthGuard() implements CanActivate {
  constructor(
    private readonly authenticator: SessionAuthenticator,
    private readonly reflector: Reflector,
  ) {
    const options = Object.freeze({ defaultStrategy: authenticator.strategyName });
    super(options);
    // PassportModule's options are injected into this property wherever an application has them, and would put another
    // strategy in the place of ours.
    Object.defineProperty(this, 'options', { get: () => options, set: () => undefined });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.getAllAndOverride(Public, [context.getHandler(), context.getClass()])) return true;
    const request = this.getRequest(context);
    // Only over HTTP is it a new object for every request: a socket has one for all of its messages.
    const known = context.getType() === 'http' ? this.authenticator.resultOf(request) : undefined;
    const authenticated = known ?? (await this.runPassport(context, request));
    request.user = authenticated.user;
    request[CURRENT_SESSION] = authenticated.session;
    return true;
  }

  /** The request of an HTTP context. @throws for any other context, which this guard does not know */
  override getRequest(context: ExecutionContext): GuardedRequest {
    if (context.getType() !== 'http') {
      throw new Error(
        `AuthGuard cannot guard a context of type "${context.getType()}": override getRequest in a subclass.`,
      );
    }
    return context.switchToHttp().getRequest<GuardedRequest>();
  }

  /** Sees what passport came to. */
  override handleRequest<T>(error: unknown, user: T, _info: unknown, context: ExecutionContext): T {
    if (error instanceof RefusedRequest) this.refuse(context, error.answer);
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- passed on as it came
    if (error) throw error;
    return user;
  }

  private async runPassport(context: ExecutionContext, request: GuardedRequest): Promise<AuthenticatedSession> {
    await super.canActivate(context);
    const authenticated = this.authenticator.resultOf(request);
    // A strategy that calls pass() makes the passport guard say yes without a user; this one does not.
    if (!authenticated) this.refuse(context, this.authenticator.answer('TOKEN_MISSING'));
    return authenticated;
  }

  private refuse(context: ExecutionContext, { exception, headers }: HttpAnswer): never {
    setHeaders(this.responseOf(context), headers);
    throw exception;
  }

  private responseOf(context: ExecutionContext): unknown {
    return (this as unknown as { getResponse(context: ExecutionContext): unknown }).getResponse(context);
  }
}

/** A request of Express or Fastify, with what the guard puts on it. */
export interface GuardedRequest {
  ip?: unknown;
  user?: unknown;
  [CURRENT_SESSION]?: unknown;
}
