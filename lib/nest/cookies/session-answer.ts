import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
  createParamDecorator,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type Observable, catchError, map, throwError } from 'rxjs';
import type { EndedSessionSummary } from '../../commands/login.js';
import { SessionError, TokenRefusedError, misused } from '../../model/session-error.js';
import { realmOfIssued } from '../../tokens/token-issuer.js';
import { setHeaders } from '../http/answers.js';
import { type GuardedRequest, identityOf } from '../http/identity.js';
import { AllowCrossSite } from '../http/route-decorators.js';
import { SESSION_MODULE, SessionAuthenticator, readBearer } from '../http/session-authenticator.js';
import type { SessionTokens } from './session-cookies.js';

/** Body of an answer to a login or refresh. */
export interface SessionAnswerBody {
  readonly tokenType?: 'Bearer';
  /** Absent with cookies, as are the other tokens. */
  readonly accessToken?: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  readonly refreshToken?: string;
  /** Seconds until the refresh token expires; absent in modes without. */
  readonly refreshExpiresIn?: number;
  readonly sessionId: string;
  /** Sessions that a login ended. */
  readonly ended: readonly EndedSessionSummary[];
}

/** Properties of a login request, to spread into the options of `TokenService.login`. */
export interface LoginDetails {
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Token that came with the request, whose session the login ends. */
  readonly presentedToken: string | null;
}

/** Request with its parsed body. */
interface AnsweredRequest extends GuardedRequest {
  readonly body?: unknown;
}

/** How one request is answered: decided before its handler runs. */
class SessionExchange {
  /** Sets cookies instead of returning tokens. */
  private byCookie: boolean;

  constructor(
    private readonly authenticator: SessionAuthenticator,
    private readonly request: AnsweredRequest,
    private readonly response: unknown,
    allowCrossSite: boolean,
  ) {
    const { cookies, transport } = authenticator;
    this.byCookie = transport.kind === 'cookies' || (transport.kind === 'both' && this.isOfBrowser());
    if (this.byCookie) cookies.check(request, allowCrossSite);
  }

  /** Token that the request presents, not verified; null for none. */
  presentedToken(): string | null {
    const bearer = this.authenticator.transport.kind === 'cookies' ? null : this.bearerToken();
    return bearer ?? this.cookieToken();
  }

  /**
   * Returns the refresh token of the cookie, or of the body's `refreshToken`, which may be undefined.
   * @throws SessionError TOKEN_MISSING without the cookie
   */
  async refreshToken(): Promise<unknown> {
    const { cookies, transport } = this.authenticator;
    const sent = (this.request.body as { readonly refreshToken?: unknown } | null | undefined)?.refreshToken;
    if (transport.kind === 'bearer') return sent;
    const isInBody = transport.kind === 'both' && sent !== undefined;
    if (isInBody) this.byCookie = false;
    const token = isInBody ? sent : await cookies.readRefresh(this.request);
    if (token !== null) return token;
    this.authenticator.answers.reports.noRefreshCookie(cookies.refreshPath);
    throw new SessionError('TOKEN_MISSING');
  }

  /** Makes the body of the answer from what the handler returned: a login, a refresh, or nothing after a logout. */
  answer(value: unknown): SessionAnswerBody | undefined {
    const { authenticator, response } = this;
    if (value === undefined || value === null || typeof value === 'boolean') {
      if (this.byCookie && !authenticator.cookies.isDecided(response)) authenticator.cookies.clear(response);
      return undefined;
    }
    if (realmOfIssued(value) === null) {
      throw misused('A handler with @SessionAnswer() must return what TokenService.login, refresh or logout returned');
    }
    const result = value as SessionTokens & { readonly ended?: readonly EndedSessionSummary[] };
    const { accessToken, refreshToken, expiresIn, refreshExpiresIn, session, ended = [] } = result;
    const rest = {
      expiresIn,
      ...(refreshExpiresIn !== undefined && { refreshExpiresIn }),
      sessionId: session.id,
      ended,
    };
    if (!this.byCookie) return { tokenType: 'Bearer', accessToken, ...(refreshToken && { refreshToken }), ...rest };
    authenticator.cookies.write(response, result);
    return rest;
  }

  /** Clears the cookies with a refresh token that is refused for good. */
  failed(error: unknown): void {
    if (this.byCookie && error instanceof TokenRefusedError) this.authenticator.cookies.clear(this.response);
  }

  /** True for a request that a page made or that asks for cookies, and for one that brings no other token than a cookie. */
  private isOfBrowser(): boolean {
    const { 'sec-fetch-site': site, origin, 'x-session-transport': asked } = this.request.headers ?? {};
    if (site !== undefined || origin !== undefined || asked === 'cookie') return true;
    return this.bearerToken() === null && this.authenticator.cookies.read(this.request) !== null;
  }

  private bearerToken(): string | null {
    return readBearer(this.request.headers?.authorization).token;
  }

  private cookieToken(): string | null {
    const { cookies, transport } = this.authenticator;
    const values = transport.kind === 'bearer' ? null : cookies.read(this.request);
    return values === null || values === 'malformed' ? null : (values[0] ?? null);
  }
}

/** Exchanges of requests under way, for parameter decorators, which get no dependencies. */
const exchanges = new WeakMap<object, SessionExchange>();

/** Implements SessionAnswer. */
@Injectable()
export class SessionAnswerInterceptor implements NestInterceptor {
  constructor(
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
    private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const [request, response] = [http.getRequest<AnsweredRequest>(), http.getResponse<unknown>()];
    const targets = [context.getHandler(), context.getClass()];
    const allowCrossSite = this.reflector.getAllAndOverride(AllowCrossSite, targets) === true;
    const exchange = new SessionExchange(this.authenticator, request, response, allowCrossSite);
    exchanges.set(request, exchange);
    setHeaders(response, { 'Cache-Control': 'no-store' });
    return next.handle().pipe(
      map((value) => exchange.answer(value)),
      catchError((error: unknown) => {
        exchange.failed(error);
        return throwError(() => error);
      }),
    );
  }
}

/**
 * Answers a login, a refresh or a logout: the handler returns what TokenService returned, and the answer carries the tokens
 * as the option `transport` says, in its body or in cookies. With cookies, refuses other sites with 403 CROSS_SITE_REQUEST
 * before the handler runs. Any other return value is an error, so that no token reaches the body by mistake.
 */
export function SessionAnswer(): MethodDecorator & ClassDecorator {
  return UseInterceptors(SessionAnswerInterceptor);
}

/** Injects ip, user agent and presented token of a login request, on a route with SessionAnswer. */
export const LoginDetails = createParamDecorator(loginDetails);

/** Implements LoginDetails. Marks routes for login in documents. */
export function loginDetails(_: unknown, context: ExecutionContext): LoginDetails {
  const { ip, headers } = context.switchToHttp().getRequest<GuardedRequest>();
  const userAgent = headers?.['user-agent'];
  return {
    ip: typeof ip === 'string' ? ip : null,
    userAgent: typeof userAgent === 'string' ? userAgent : null,
    presentedToken: exchangeOf(context, 'LoginDetails').presentedToken(),
  };
}

/**
 * Injects the access token of a request: on a route with SessionAnswer, for a logout, as the client sent it or null; behind
 * AuthGuard, the one that the guard verified, for `TokenService.watch`.
 */
export const PresentedToken = createParamDecorator((_: unknown, context: ExecutionContext): string | null => {
  const verifiedBy = identityOf(context)?.by;
  if (!(verifiedBy instanceof SessionAuthenticator)) return exchangeOf(context, 'PresentedToken').presentedToken();
  const request = context.switchToHttp().getRequest<GuardedRequest>();
  return verifiedBy.credentialOf(request, { allowCrossSite: true }).token;
});

/**
 * Injects the refresh token of a request, on a route with SessionAnswer: of its cookie, or of the body's `refreshToken`.
 * Answers 401 TOKEN_MISSING without the cookie.
 */
export const PresentedRefreshToken = createParamDecorator((_: unknown, context: ExecutionContext) =>
  exchangeOf(context, 'PresentedRefreshToken').refreshToken(),
);

function exchangeOf(context: ExecutionContext, decorator: string): SessionExchange {
  const exchange = exchanges.get(context.switchToHttp().getRequest<object>());
  if (exchange) return exchange;
  throw new SessionError(
    'CONFIGURATION_INVALID',
    `@${decorator}() needs @SessionAnswer() on ${context.getHandler().name}().`,
  );
}
