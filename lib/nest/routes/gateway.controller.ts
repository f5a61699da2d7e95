import { All, HttpException, Inject, Req, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isSafeMethod } from '../cookies/request-origin.js';
import { setHeaders } from '../http/answers.js';
import { AuthenticatedSession, type GuardedRequest } from '../http/identity.js';
import { Public } from '../http/route-decorators.js';
import { OwnRoutes } from '../http/route-input.js';
import type { RouteRules } from '../http/route-rules.js';
import { SESSION_MODULE, type SessionAuthenticator } from '../http/session-authenticator.js';

/** Options of the gateway's question. */
export class GatewayOptions {
  /** Request headers for the application behind the gateway, by claim: `{ roles: 'X-User-Roles' }`. */
  claims?: Readonly<Record<string, string>> = {};
  /** Renews a sliding token near its expiry. The gateway must pass the header, or the cookie, on to the client. */
  renew?: boolean = false;
}

export const GATEWAY_OPTIONS = Symbol('option "gateway" of SessionRoutesModule');

/** Methods by which a gateway says how it was asked: nginx and Envoy as configured, Traefik by itself. */
const METHOD_HEADERS = ['x-original-method', 'x-forwarded-method'];

type Response = Readonly<Partial<Record<'status' | 'end' | 'send', (status?: number) => unknown>>>;

/** Answers gateways that ask if a request may pass: nginx auth_request, Traefik ForwardAuth, Envoy ext_authz. */
@OwnRoutes()
@Public()
export class GatewayController {
  private readonly rules: RouteRules;

  constructor(
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
    @Inject(GATEWAY_OPTIONS) private readonly options: Required<GatewayOptions>,
    { httpAdapter }: HttpAdapterHost,
  ) {
    // Envoy appends the path of the request. Before routes are registered, because each adapter has a wildcard of its own.
    const rest = httpAdapter.getType() === 'fastify' ? '*' : '{*path}';
    const { prototype } = GatewayController;
    All(['verify', `verify/${rest}`])(prototype, 'verify', Object.getOwnPropertyDescriptor(prototype, 'verify')!);
    const none = { isPublic: false, optional: null, strict: false, allowCrossSite: false, fresh: null };
    this.rules = { ...none, banChecks: [], roles: null, claims: null, activity: true, renew: options.renew };
  }

  @All('verify')
  async verify(@Req() request: GuardedRequest, @Res() response: Response): Promise<void> {
    const { authenticator, options, rules } = this;
    setHeaders(response, { 'Cache-Control': 'no-store' });
    const outcome = await authenticator.authenticate(asked(request), rules);
    if (!(outcome instanceof AuthenticatedSession)) {
      setHeaders(response, outcome.headers);
      throw unlessMalformed(outcome.exception);
    }
    const { userId, id, claims } = outcome.session!;
    const told = Object.entries(options.claims).flatMap(([claim, header]) => {
      const value = Object.hasOwn(claims, claim) ? (claims as Record<string, unknown>)[claim] : undefined;
      return value === undefined || value === null ? [] : [[header, headerOf(value)]];
    });
    setHeaders(response, {
      'X-User-Id': headerOf(userId),
      'X-Session-Id': id,
      ...(Object.fromEntries(told) as Record<string, string>),
    });
    if (options.renew) authenticator.passOn(request, response, outcome);
    response.status!(200);
    // Not `send` of Express, which answers If-None-Match with 304.
    (response.end ?? response.send)!.call(response);
  }
}

/**
 * The request that the gateway asks about. Of two methods that it names, both must be safe. A WebSocket is opened by GET, and known
 * by its version, because gateways drop Upgrade.
 */
function asked({ headers = {}, ip, protocol, host, socket }: GuardedRequest): GuardedRequest {
  const named = METHOD_HEADERS.map((name) => headers[name]).filter((method) => method !== undefined);
  const isSafe = named.length > 0 && named.every((method) => isSafeMethod({ method }));
  const opens = headers['sec-websocket-version'] === undefined ? {} : { channel: 'socket' as const };
  return { headers, ip, protocol, host, socket, method: isSafe ? 'GET' : 'POST', ...opens };
}

/** Gateways take 400 for a failure of this server: nginx answers 500. */
function unlessMalformed(exception: HttpException): HttpException {
  if (exception.getStatus() !== 400) return exception;
  return new HttpException({ ...(exception.getResponse() as object), statusCode: 401, error: 'Unauthorized' }, 401);
}

/** Writes a claim in characters that every header may have: items of a list behind commas, objects as JSON. */
function headerOf(claim: unknown): string {
  if (Array.isArray(claim)) return claim.map(headerOf).join(',');
  const text = typeof claim === 'string' ? claim : JSON.stringify(claim);
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
}
