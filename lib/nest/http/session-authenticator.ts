import type { Clock } from '../../ports/clock.js';
import type { UserSession } from '../../model/session.js';
import type { Verification } from '../../model/verification.js';
import type { Presentation } from '../../verification/known-tokens.js';
import type { Verifier } from '../../verification/verifier.js';
import type { ResolvedOptions } from '../module/resolve-options.js';
import type { HeaderOptions } from '../module/session-options.js';
import { LookUps } from '../graphql/look-ups.js';
import { Answers, type HttpAnswer, endDetails, isOfValidToken } from './answers.js';
import { userOf } from './fast-path/hidden-classes.js';
import { type Channel, isSafeMethod } from '../cookies/request-origin.js';
import type { SessionCookies } from '../cookies/session-cookies.js';
import type { TokenTransport } from '../cookies/transport.js';
import { ChannelRequest, type Credential, MISSING, readBearer } from './credential.js';
import { RequestBatch } from './fast-path/request-batch.js';
import { AuthenticatedSession, type GuardedRequest } from './identity.js';
import { type JudgeAgain, OpenSockets, type OpenSocket, type WatchSession } from './open-sockets.js';
import { passOnRenewedToken } from './response-head.js';
import { type RouteRules, brokenRule } from './route-rules.js';

export { type Credential, readBearer } from './credential.js';

/** Provides the SessionAuthenticator to guards. Nest shows this text if SessionModule was not imported. */
export const SESSION_MODULE = Symbol('SessionModule.forRoot({ isGlobal: true }) of nestjs-latchkey');

type Outcome = AuthenticatedSession | HttpAnswer;

/** Presentation of a request's token. */
class RequestUse implements Presentation {
  constructor(
    private readonly request: GuardedRequest,
    private readonly rules: Pick<RouteRules, 'strict' | 'activity' | 'renew'>,
    private readonly noActivityHeader: string | false,
  ) {}

  get strict(): boolean {
    return this.rules.strict;
  }

  get renew(): boolean {
    return this.rules.renew && !(this.request instanceof ChannelRequest && this.request.passOn === null);
  }

  get ip(): unknown {
    return this.request.ip;
  }

  get activity(): boolean {
    if (!this.rules.activity || this.noActivityHeader === false) return this.rules.activity;
    const value = this.request.headers?.[this.noActivityHeader];
    return typeof value !== 'string' || !/^(1|true)$/i.test(value);
  }
}

/** Authenticates requests for one SessionModule. */
export class SessionAuthenticator {
  readonly strategyName: string;
  readonly transport: TokenTransport;
  readonly cookies: SessionCookies;
  readonly headers: Required<HeaderOptions>;
  readonly answers: Answers;
  readonly batch = new RequestBatch();
  readonly findGraphql: ResolvedOptions['graphql'];
  private readonly noActivityHeader: string | false;
  private readonly sockets: OpenSockets;
  private readonly judges = new WeakMap<RouteRules, JudgeAgain>();
  /** By session, shared by all requests that memory answers; those by cookie apart. */
  private readonly identities = [
    new WeakMap<UserSession, AuthenticatedSession>(),
    new WeakMap<UserSession, AuthenticatedSession>(),
  ] as const;

  constructor(
    private readonly parts: {
      readonly verifier: Verifier;
      readonly clock: Clock;
      readonly options: Pick<ResolvedOptions, 'realm' | 'messages' | 'headers' | 'transport' | 'graphql' | 'stepUp'>;
      readonly cookies: SessionCookies;
      readonly watch: WatchSession;
      /** Random, because passport's registry is global to the process, and two modules must not collide. */
      readonly strategyName: string;
    },
  ) {
    const { options, strategyName, cookies } = parts;
    this.strategyName = strategyName;
    this.cookies = cookies;
    this.transport = options.transport;
    this.headers = options.headers;
    this.answers = new Answers(options);
    this.findGraphql = options.graphql;
    this.sockets = new OpenSockets(parts.watch);
    const { noActivity } = options.headers;
    this.noActivityHeader = noActivity === false ? false : noActivity.toLowerCase();
  }

  /**
   * Reads the token of a request where the option `transport` has it: never in a query or body. A bearer token goes before
   * a cookie, whatever becomes of it. Refuses a cookie that another site may have made the browser send.
   */
  credentialOf(
    request: GuardedRequest,
    rules: Pick<RouteRules, 'allowCrossSite'> & { readonly channel?: Channel },
  ): Credential {
    if (request instanceof ChannelRequest) return request.credential;
    const { kind } = this.transport;
    if (kind === 'bearer') return readBearer(request.headers?.authorization);
    const bearer = kind === 'both' ? readBearer(request.headers?.authorization) : MISSING;
    if (bearer.refusal !== 'TOKEN_MISSING') return bearer;
    const tokens = this.cookies.read(request);
    if (tokens === null) return { token: null, refusal: 'TOKEN_MISSING', byCookie: kind === 'cookies' };
    const channel = rules.channel ?? request.channel;
    if ((channel || !isSafeMethod(request)) && !rules.allowCrossSite) {
      const reason = this.cookies.crossSiteReason(request, channel);
      if (reason !== null) {
        this.answers.reports.crossSite(reason);
        return { token: null, refusal: 'CROSS_SITE_REQUEST', byCookie: true };
      }
    }
    if (tokens === 'malformed') return { token: null, refusal: 'TOKEN_MALFORMED', byCookie: true };
    const [token, ...others] = tokens;
    return { token: token!, refusal: null, byCookie: true, ...(others.length > 0 && { others }) };
  }

  /** Returns the identity that a request's token proves, or the answer that refuses it. Synchronous on a cache hit. */
  authenticate(
    request: GuardedRequest,
    rules: RouteRules,
    credential = this.credentialOf(request, rules),
  ): Outcome | Promise<Outcome> {
    const { token, refusal, byCookie } = credential;
    if (token === null) return this.answers.to(refusal);
    const use = this.useOf(request, rules);
    if (credential.others) return this.firstValid([token, ...credential.others], use, rules);
    const verdict = this.parts.verifier.verify(token, use);
    return 'status' in verdict
      ? this.outcomeOf(verdict, rules, byCookie)
      : verdict.then((later) => this.outcomeOf(later, rules, byCookie));
  }

  /** The same, once for all fields of a GraphQL operation. */
  authenticateOnce(request: GuardedRequest, rules: RouteRules, credential?: Credential): Outcome | Promise<Outcome> {
    const ask = () => this.authenticate(request, rules, credential);
    return LookUps.of(request)?.once(this, rules, ask) ?? ask();
  }

  /** Describes how a request presents its token. */
  useOf(request: GuardedRequest, rules: Pick<RouteRules, 'strict' | 'activity' | 'renew'>): Presentation {
    return new RequestUse(request, rules, this.noActivityHeader);
  }

  /**
   * Hands the client what its answer adds: the successor of the token, and no copy in shared caches.
   * @param identity null for a request that is admitted without one
   */
  passOn(request: GuardedRequest, response: unknown, identity: AuthenticatedSession | null): void {
    if (request instanceof ChannelRequest) {
      if (identity?.renewed) request.passOn?.(identity.renewed);
      return;
    }
    const { byCookie, session, renewed } = identity ?? {
      byCookie: this.transport.cookies !== null,
      session: null,
      renewed: null,
    };
    if (byCookie) this.cookies.protect(request, response, session, renewed);
    else if (renewed) passOnRenewedToken(response, renewed, this.headers);
  }

  /**
   * Hands a renewed token to the client of a socket, and closes the socket with its session.
   * @param rules of an operation that lives as long as the socket, such as a subscription; null for one that is over soon
   */
  hold(socket: OpenSocket, { session, renewed, byCookie }: AuthenticatedSession, rules: RouteRules | null): void {
    if (renewed && !byCookie) this.sockets.tell(socket, renewed);
    if (session) this.sockets.closeWith(socket, session.id, rules && this.judgeOf(rules));
  }

  private judgeOf(rules: RouteRules): JudgeAgain {
    let judge = this.judges.get(rules);
    if (!judge) {
      judge = (session) => this.refusalOf(rules, session)?.exception.code ?? null;
      this.judges.set(rules, judge);
    }
    return judge;
  }

  /** True if a route admits a request without a session instead of refusing it. */
  mayBeAnonymous(
    { optional }: RouteRules,
    { code, status }: { readonly code?: unknown; readonly status?: unknown },
  ): boolean {
    if (!optional) return false;
    if (code === 'TOKEN_MISSING') return true;
    return optional.ignoreInvalid === true && (status === 400 || status === 401) && !isOfValidToken(code);
  }

  /** Returns the session of a token that memory vouches for now, else null. Not a use of the session. */
  fromMemory(token: string): UserSession | null {
    return this.parts.verifier.fromMemory(token);
  }

  /** Keeps a refusal out of shared caches, and clears the cookies of a token that is refused for good. */
  protectRefusal(request: GuardedRequest, response: unknown, { exception }: HttpAnswer): void {
    if (this.transport.kind === 'bearer') return;
    this.cookies.protect(request, response, null, null);
    if (exception.getStatus() !== 401 || isOfValidToken(exception.code)) return;
    if (this.cookies.read(request) !== null) this.cookies.clearRefused(request, response);
  }

  /** Takes the cookie that verifies: one host of a domain can set the cookie of all others. */
  private async firstValid(tokens: readonly string[], use: Presentation, rules: RouteRules): Promise<Outcome> {
    const verdicts = await Promise.all(tokens.map(async (token) => this.parts.verifier.verify(token, use)));
    const best = (status: Verification['status']) => verdicts.find((verdict) => verdict.status === status);
    return this.outcomeOf(best('VALID') ?? best('UNKNOWN') ?? verdicts[0]!, rules, true);
  }

  /** Returns the answer to a session that has changed since a route admitted it, or null. A proof of identity may have aged. */
  refusalOf(rules: RouteRules, session: UserSession): HttpAnswer | null {
    return this.refusalBy({ ...rules, fresh: null }, session);
  }

  /** Returns the answer to a request whose session breaks a rule of the route, or null. */
  refusalBy(rules: RouteRules, session: UserSession): HttpAnswer | null {
    const { fresh, banChecks, roles, claims } = rules;
    if (fresh === null && banChecks.length === 0 && roles === null && claims === null) return null;
    const broken = brokenRule(session, rules, this.parts.clock.now());
    return broken && this.answers.to(broken.code, broken.details);
  }

  private outcomeOf(verdict: Verification, { strict }: RouteRules, byCookie: boolean): Outcome {
    if (verdict.status === 'INVALID') return this.answers.to(verdict.reason, endDetails(verdict));
    if (verdict.status === 'UNKNOWN') {
      this.answers.reports.unavailable(verdict.cause);
      return this.answers.to('SESSION_STORE_UNAVAILABLE');
    }
    const { session, renewed = null } = verdict;
    const identities = this.identities[byCookie ? 1 : 0];
    let identity = identities.get(session);
    if (!identity) {
      const user = userOf(session);
      identity = new AuthenticatedSession({ user, session, strict: false, renewed: null, by: this, byCookie });
      identities.set(session, identity);
    }
    return strict || renewed ? identity.with({ strict, renewed }) : identity;
  }
}
