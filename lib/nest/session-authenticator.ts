import { isIP } from 'node:net';
import { Logger } from '@nestjs/common';
import type { SessionErrorCode } from '../core/messages.js';
import type { Session } from '../core/session.js';
import type { TokenService } from '../core/token-service.js';
import type { RenewedToken } from '../core/verification.js';
import type { CurrentSessionUser } from './current-session.js';
import { describeError } from './describe-error.js';
import { type HttpAnswer, answerFor, endDetails } from './http-answer.js';
import { type RouteRules, brokenRule } from './route-rules.js';
import type { HeaderOptions } from './session-options.js';

/** What a verified request is about. */
export interface AuthenticatedSession {
  readonly user: CurrentSessionUser;
  readonly session: Session;
  /** Whether the database was asked for this request. */
  readonly strict: boolean;
  /** The successor of the token, if the client should use it from now on. */
  readonly renewed: RenewedToken | null;
}

/** One run of passport for a request: how its token is to be verified, and what came of it. */
export interface AuthenticationAttempt {
  readonly rules: Pick<RouteRules, 'strict' | 'activity'>;
  result?: AuthenticatedSession;
}

/** A request as far as it is looked at here. */
interface SeenRequest {
  readonly ip?: unknown;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** What the column of an address holds. */
const MAX_ADDRESS_LENGTH = 45;

const REPORT_EVERY_MS = 5000;

/** Refuses a request with an HTTP answer. */
export class RefusedRequest extends Error {
  constructor(readonly answer: HttpAnswer) {
    super('The request is refused.');
  }
}

/**
 * Verifies the requests of one SessionModule. `strategyName` is random: passport keeps one registry for the whole process,
 * in which two modules must not meet.
 */
export class SessionAuthenticator {
  private readonly results = new WeakMap<object, AuthenticatedSession>();
  private readonly logger = new Logger('SessionModule');
  private reportedAt = -Infinity;
  private readonly users = new WeakMap<Session, CurrentSessionUser>();

  constructor(
    readonly strategyName: string,
    private readonly tokens: TokenService,
    private readonly realm: string,
    private readonly messages: Readonly<Record<SessionErrorCode, string>>,
    readonly headers: Required<HeaderOptions>,
  ) {}

  /** What this module found out about the request before, however many guards ask. */
  resultOf(request: object): AuthenticatedSession | undefined {
    return this.results.get(request);
  }

  /** @throws RefusedRequest unless the token is good */
  async authenticate(
    request: SeenRequest,
    token: string,
    attempt: AuthenticationAttempt,
  ): Promise<AuthenticatedSession> {
    const { strict, activity } = attempt.rules;
    const result = await this.tokens.verify(token, {
      ip: addressOf(request),
      strict,
      activity: activity && !this.saysNoActivity(request),
    });
    if (result.status === 'UNKNOWN') {
      this.reportUnknown(result.cause);
      throw new RefusedRequest(this.answer('SESSION_STORE_UNAVAILABLE'));
    }
    if (result.status === 'INVALID') throw new RefusedRequest(this.answer(result.reason, endDetails(result)));
    const { session, renewed = null } = result;
    attempt.result = { user: this.userOf(session), session, strict, renewed };
    this.results.set(request, attempt.result);
    return attempt.result;
  }

  /** The answer to a request whose session does not keep the rules of the route; null if it does. */
  refusalBy(rules: RouteRules, session: Session): HttpAnswer | null {
    const broken = brokenRule(session, rules, this.tokens.now());
    return broken && this.answer(broken.code, broken.details);
  }

  /** The HTTP answer for a code, with the application's text unless another is given. */
  answer(
    code: SessionErrorCode,
    details: Readonly<Record<string, unknown>> = {},
    message = this.messages[code],
  ): HttpAnswer {
    return answerFor(code, message, this.realm, details);
  }

  /** An outage makes every request fail alike; one line in some seconds is enough. */
  private reportUnknown(cause: unknown): void {
    const now = performance.now();
    if (now - this.reportedAt < REPORT_EVERY_MS) return;
    this.reportedAt = now;
    this.logger.warn(`Requests are answered with 503: ${describeError(cause)}`);
  }

  private saysNoActivity({ headers }: SeenRequest): boolean {
    const { noActivity } = this.headers;
    const value = noActivity === false ? undefined : headers?.[noActivity.toLowerCase()];
    return typeof value === 'string' && /^(1|true)$/i.test(value);
  }

  private userOf(session: Session): CurrentSessionUser {
    let user = this.users.get(session);
    if (!user) this.users.set(session, (user = Object.freeze({ ...session.claims, userId: session.userId })));
    return user;
  }
}

/** The address of the client; null for what is none, since a proxy that is trusted may pass on any text. */
function addressOf({ ip }: SeenRequest): string | null {
  return typeof ip === 'string' && ip.length <= MAX_ADDRESS_LENGTH && isIP(ip) !== 0 ? ip : null;
}
