import { isIP } from 'node:net';
import { Logger } from '@nestjs/common';
import type { SessionErrorCode } from '../core/messages.js';
import type { Claims, Session } from '../core/session.js';
import type { TokenService } from '../core/token-service.js';
import { describeError } from './describe-error.js';
import { type HttpAnswer, answerFor, endDetails } from './http-answer.js';

/** The user of the current request: the claims of the session, and the user's id. */
export type CurrentSessionUser<C extends Claims = Claims> = Readonly<C & { userId: string }>;

/** What a verified request is about. */
export interface AuthenticatedSession {
  readonly user: CurrentSessionUser;
  readonly session: Session;
}

/** Where the session of a request is kept; a symbol, so that nothing that a client sends can be in its place. */
export const CURRENT_SESSION = Symbol('current session');

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
  ) {}

  /** What this module found out about the request before, however many guards ask. */
  resultOf(request: object): AuthenticatedSession | undefined {
    return this.results.get(request);
  }

  /** @throws RefusedRequest unless the token is good */
  async authenticate(request: { ip?: unknown }, token: string): Promise<AuthenticatedSession> {
    const result = await this.tokens.verify(token, { ip: addressOf(request) });
    if (result.status === 'UNKNOWN') {
      this.reportUnknown(result.cause);
      throw new RefusedRequest(this.answer('SESSION_STORE_UNAVAILABLE'));
    }
    if (result.status === 'INVALID') throw new RefusedRequest(this.answer(result.reason, endDetails(result)));
    const authenticated = { user: this.userOf(result.session), session: result.session };
    this.results.set(request, authenticated);
    return authenticated;
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

  private userOf(session: Session): CurrentSessionUser {
    let user = this.users.get(session);
    if (!user) this.users.set(session, (user = Object.freeze({ ...session.claims, userId: session.userId })));
    return user;
  }
}

/** The address of the client; null for what is none, since a proxy that is trusted may pass on any text. */
function addressOf({ ip }: { ip?: unknown }): string | null {
  return typeof ip === 'string' && ip.length <= MAX_ADDRESS_LENGTH && isIP(ip) !== 0 ? ip : null;
}
