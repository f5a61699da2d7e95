import { clientAddress } from '../../model/ip-key.js';
import { type SessionErrorCode, defaultMessages, refreshMessages } from '../../model/session-error.js';
import type { Session } from '../../model/session.js';
import type { TokenService } from '../../services/token-service.js';
import type { TokenUse } from '../../verification/token-use.js';
import type { VerifiedToken, VerifiedTokens } from '../../verification/verified-tokens.js';
import type { RenewedToken, Verification } from '../../model/verification.js';
import type { Verifier } from '../../verification/verifier.js';
import { readBearerCredential } from './bearer-credential.js';
import { AuthenticatedSession, type CurrentSessionUser, type GuardedRequest, userOf } from './current-session.js';
import { ErrorReport } from './error-report.js';
import { type HttpAnswer, answerFor, endDetails } from './http-answer.js';
import { RequestBatch } from './fast-path/request-batch.js';
import { type RouteRules, brokenRule } from './route-rules.js';
import type { HeaderOptions, ResolvedOptions } from '../module/session-options.js';

/**
 * One run of passport for a request, which passport takes for the request: all that it adds stays here. How the token is to
 * be verified, and what came of it.
 */
export class AuthenticationAttempt {
  refused: HttpAnswer | null = null;

  constructor(
    readonly request: GuardedRequest,
    readonly rules: Pick<RouteRules, 'strict' | 'activity'>,
    /** Where the token was verified before. */
    readonly verified: TokenVerification | null,
    public result: AuthenticatedSession | null,
  ) {}
}

/** What was found out about the token of a request. */
export interface TokenVerification {
  readonly token: string;
  /** What was known of it before. */
  readonly known: VerifiedToken | null;
  readonly result: Verification;
}

const SCHEME = 'Bearer ';

/**
 * Provides the SessionAuthenticator to guards. Nest shows this text where it is not there, which is where SessionModule was not
 * imported.
 */
export const SESSION_MODULE = Symbol('SessionModule.forRoot() of nestjs-latchkey');

/**
 * Verifies the requests of one SessionModule. `strategyName` is random: passport keeps one registry for the whole process,
 * in which two modules must not meet.
 */
export class SessionAuthenticator {
  /** The user of each session, made once. */
  private readonly users = new WeakMap<Session, CurrentSessionUser>();
  private readonly noActivityHeader: string | false;
  private readonly realm: string;
  private readonly messages: Readonly<Record<SessionErrorCode, string>>;
  readonly headers: Required<HeaderOptions>;
  readonly batch = new RequestBatch();
  readonly reports = new ErrorReport();

  constructor(
    readonly strategyName: string,
    private readonly tokens: TokenService,
    private readonly verifier: Verifier,
    private readonly verified: VerifiedTokens,
    { realm, messages, headers }: Pick<ResolvedOptions, 'realm' | 'messages' | 'headers'>,
  ) {
    this.realm = realm;
    this.messages = messages;
    this.headers = headers;
    this.noActivityHeader = headers.noActivity === false ? false : headers.noActivity.toLowerCase();
  }

  /** What this module found out about the request before, however many guards ask. */
  resultOf({ latchkey: known }: GuardedRequest, rules: Pick<RouteRules, 'strict'>): AuthenticatedSession | null {
    const counts = AuthenticatedSession.is(known) && known.by === this && known.session;
    return counts && (known.strict || !rules.strict) ? known : null;
  }

  /** What is known of the token of a request that comes in the usual spelling, unless the route asks for more than that. */
  find(request: GuardedRequest, rules: RouteRules): VerifiedToken | null {
    const header = request.headers?.authorization;
    // In this spelling nearly all of them come. What is known has passed every check of its form before.
    return rules.strict || typeof header !== 'string' || !header.startsWith(SCHEME)
      ? null
      : this.verified.find(header, SCHEME.length);
  }

  /** What a request is given whose token this process knows to be good; null where it has to be looked at. */
  fromMemory(request: GuardedRequest, rules: RouteRules, known: VerifiedToken): AuthenticatedSession | null {
    return this.verified.countsInMemory(known) ? this.acceptKnown(request, rules, known) : null;
  }

  /** The token of a request that comes in the usual spelling; null for any other, and where the route asks for more. */
  usualToken({ headers }: GuardedRequest, rules: RouteRules, known: VerifiedToken | null): string | null {
    const header = headers?.authorization;
    if (rules.strict || typeof header !== 'string' || !header.startsWith(SCHEME)) return null;
    if (known) return header.slice(SCHEME.length);
    const credential = readBearerCredential(header);
    return credential.kind === 'token' ? credential.token : null;
  }

  /** Never rejects. A use of the session is not counted here, but by what accepts it. @param known what `find` found */
  verify(token: string, known: VerifiedToken | null): Promise<Verification> {
    return this.verifier.verify(token, false, known);
  }

  /** What a request is given whose token is remembered as good, here or by the nodes in common; null for any other. */
  acceptRemembered(
    request: GuardedRequest,
    rules: RouteRules,
    { known, result }: TokenVerification,
  ): AuthenticatedSession | null {
    if (result.status !== 'VALID' || !result.remembered) return null;
    return result === known?.answer
      ? this.acceptKnown(request, rules, known)
      : this.accept(request, rules, result, false);
  }

  /** The session of a good token, or the answer to any other: 503 where it cannot be judged. */
  async authenticate(
    token: string,
    { request, rules, verified }: AuthenticationAttempt,
  ): Promise<AuthenticatedSession | HttpAnswer> {
    const before = verified?.token === token ? verified : null;
    const result = before?.result ?? (await this.tokens.verify(token, this.useOf(request, rules)));
    if (result.status === 'UNKNOWN') {
      this.reports.unavailable(result.cause);
      return this.answer('SESSION_STORE_UNAVAILABLE');
    }
    if (result.status === 'INVALID') return this.answer(result.reason, endDetails(result));
    return this.accept(request, rules, result, before === null);
  }

  /** The answer to a request whose session does not keep the rules of the route; null if it does. */
  refusalBy(rules: RouteRules, session: Session): HttpAnswer | null {
    if (rules.freshMs === null && rules.banChecks.length === 0) return null;
    const broken = brokenRule(session, rules, this.tokens.now());
    return broken && this.answer(broken.code, broken.details);
  }

  /** The HTTP answer for a code, with the application's text unless another is given. */
  answer(
    code: SessionErrorCode,
    details: Readonly<Record<string, unknown>> = {},
    message = this.messages[code],
    retryAfterMs: number | null = null,
  ): HttpAnswer {
    return answerFor(code, message, this.realm, details, retryAfterMs);
  }

  /** The text for a refused refresh token, unless the application has one of its own for the code. */
  refreshMessage(code: SessionErrorCode): string {
    const own = this.messages[code];
    return own === defaultMessages[code] ? (refreshMessages[code] ?? own) : own;
  }

  private acceptKnown(request: GuardedRequest, rules: RouteRules, known: VerifiedToken): AuthenticatedSession {
    const { session } = known.answer;
    const { ip } = request;
    // In this order: the headers of a request are not to be looked at for every one.
    if (this.verified.isUseDue(known, ip)) {
      const counts = this.countsAsUse(request, rules);
      if (this.verified.markPresented(known, ip, counts)) this.notePresented(ip, session, counts);
    }
    return (known.view ??= this.resultFor(session, false)) as AuthenticatedSession;
  }

  private accept(
    request: GuardedRequest,
    rules: AuthenticationAttempt['rules'],
    { session, renewed }: Verification & { readonly status: 'VALID' },
    isNoted: boolean,
  ): AuthenticatedSession {
    if (!isNoted) this.notePresented(request.ip, session, this.countsAsUse(request, rules));
    return this.resultFor(session, rules.strict, renewed);
  }

  private useOf(request: GuardedRequest, rules: AuthenticationAttempt['rules']): TokenUse {
    return { ip: clientAddress(request.ip), strict: rules.strict, activity: this.countsAsUse(request, rules) };
  }

  private notePresented(ip: unknown, { id }: Session, counts: boolean): void {
    this.tokens.recordUse(id, clientAddress(ip), { activity: counts });
  }

  private resultFor(session: Session, strict: boolean, renewed: RenewedToken | null = null): AuthenticatedSession {
    let user = this.users.get(session);
    if (!user) this.users.set(session, (user = userOf(session)));
    return new AuthenticatedSession(user, session, strict, renewed, this);
  }

  private countsAsUse(request: GuardedRequest, { activity }: AuthenticationAttempt['rules']): boolean {
    return activity && !this.saysNoActivity(request);
  }

  private saysNoActivity({ headers }: GuardedRequest): boolean {
    const value = this.noActivityHeader === false ? undefined : headers?.[this.noActivityHeader];
    return typeof value === 'string' && /^(1|true)$/i.test(value);
  }
}
