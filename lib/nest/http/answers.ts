import { STATUS_CODES } from 'node:http';
import { HttpException, Logger } from '@nestjs/common';
import {
  ArgumentError,
  ChangePendingError,
  type SessionError,
  type SessionErrorCode,
  cookieMessages,
  defaultMessages,
  describeError,
  refreshMessages,
} from '../../model/session-error.js';
import type { Refusal } from '../../model/verification.js';
import type { ResolvedOptions } from '../module/resolve-options.js';

/** An HTTP error with its headers. */
export interface HttpAnswer {
  /** With the code for hooks of passport. */
  readonly exception: HttpException & { readonly code: SessionErrorCode };
  readonly headers: Readonly<Record<string, string>>;
}

interface AnswerShape {
  readonly status: number;
  /** Error code of RFC 6750 section 3.1; null for a challenge without one, undefined for no challenge. */
  readonly challenge?:
    | 'invalid_request'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'insufficient_user_authentication'
    | null;
}

const SHAPES: Readonly<Partial<Record<SessionErrorCode, AnswerShape>>> = {
  TOKEN_MISSING: { status: 401, challenge: null },
  BAD_CREDENTIALS: { status: 401, challenge: null },
  TOKEN_MALFORMED: { status: 400, challenge: 'invalid_request' },
  FORBIDDEN: { status: 403, challenge: 'insufficient_scope' },
  CROSS_SITE_REQUEST: { status: 403 },
  SERVICE_BANNED: { status: 403, challenge: 'insufficient_scope' },
  // RFC 9470 section 3 defines this error code.
  FRESH_LOGIN_REQUIRED: { status: 403, challenge: 'insufficient_user_authentication' },
  TOO_MANY_REFRESHES: { status: 429 },
  SESSION_LIMIT_REACHED: { status: 409 },
  TOO_MANY_SESSIONS: { status: 409 },
  LOGIN_CHOICE_INVALID: { status: 401, challenge: null },
  SESSION_STORE_UNAVAILABLE: { status: 503 },
  SESSION_NOT_FOUND: { status: 404 },
  CHANGE_PENDING: { status: 202 },
  INSIDE_TRANSACTION: { status: 500 },
  ARGUMENT_INVALID: { status: 400 },
  CURSOR_INVALID: { status: 400 },
  CONFIGURATION_INVALID: { status: 500 },
};

/** Names of Apollo for statuses, which @nestjs/apollo gives to exceptions. */
const GRAPHQL_CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
};

/** Every other code is a reason to refuse a token. */
const REFUSED: AnswerShape = { status: 401, challenge: 'invalid_token' };

/** True for a refusal that says nothing against the token, whatever its status. */
export function isOfValidToken(code: unknown): boolean {
  return code === 'FRESH_LOGIN_REQUIRED';
}

/** Reasons with details for the holder. */
const TELLS_END = new Set<SessionErrorCode>(['SESSION_REPLACED', 'SESSION_KICKED', 'SESSION_REVOKED']);

/** HTTP answers of one SessionModule to error codes, in the application's words. */
export class Answers {
  readonly reports = new ErrorReport();

  constructor(private readonly options: Pick<ResolvedOptions, 'realm' | 'messages' | 'transport' | 'stepUp'>) {}

  /** Returns the HTTP status of a code. */
  statusOf(code: SessionErrorCode): number {
    return code === 'FRESH_LOGIN_REQUIRED' ? this.options.stepUp.status : (SHAPES[code] ?? REFUSED).status;
  }

  /** Answers in Nest's shape and by RFC 6750. @param retryAfterMs delay before a retry may succeed; null if unknown */
  to(
    code: SessionErrorCode,
    given: Readonly<Record<string, unknown>> = {},
    message = this.options.messages[code],
    retryAfterMs: number | null = null,
  ): HttpAnswer {
    const { challenge } = SHAPES[code] ?? REFUSED;
    const status = this.statusOf(code);
    const { details, parameters } = this.options.stepUp.describe(code, given);
    const body = { statusCode: status, error: STATUS_CODES[status], message, errorCode: code, ...details };
    const headers: Record<string, string> = {};
    if (challenge !== undefined) {
      const scheme = this.options.transport.kind === 'cookies' ? 'Cookie' : 'Bearer';
      headers['WWW-Authenticate'] = `${scheme} realm="${quotable(this.options.realm)}"${
        challenge ? `, error="${challenge}", error_description="${quotable(message)}"${parameters}` : ''
      }`;
    }
    if (status === 503 || status === 429) headers['Retry-After'] = String(retryAfterSeconds(retryAfterMs));
    const exception = new HttpException(body, status, { errorCode: code });
    // GraphQL servers answer with them.
    const extensions = { code: GRAPHQL_CODES[status] ?? 'INTERNAL_SERVER_ERROR', status, errorCode: code, ...details };
    return { exception: Object.assign(exception, { code, extensions }), headers };
  }

  /** Returns the text for a refused refresh token, unless the application overrides the code's text. */
  refreshMessage(code: SessionErrorCode): string {
    const own = this.options.messages[code];
    return own === defaultMessages[code] || own === cookieMessages[code] ? (refreshMessages[code] ?? own) : own;
  }
}

const EVERY_MS = 5000;
const MAX_KNOWN = 100;

/** Logs errors that only the server's side can fix, each at most once in some seconds. */
export class ErrorReport {
  private readonly logger = new Logger('SessionModule');
  private readonly reportedAt = new Map<string, number>();

  /** @param error thrown by this library, about to answer a request */
  answered(error: SessionError): void {
    if (error.code === 'CROSS_SITE_REQUEST') {
      this.crossSite(describeError(error.cause));
    } else if (error.code === 'SESSION_STORE_UNAVAILABLE') {
      this.unavailable(error.cause ?? error);
    } else if (error.code === 'SESSION_LIMIT_REACHED' && error.cause !== undefined) {
      this.log(error.code, `Answered a login with 409: ${describeError(error.cause)}.`);
    } else if (error instanceof ChangePendingError) {
      const by = new Date(error.effectiveBy).toISOString();
      this.log(error.code, `Answered a change with 202, because a node has not acknowledged it: effective by ${by}.`);
    } else if (['CONFIGURATION_INVALID', 'INSIDE_TRANSACTION'].includes(error.code)) {
      this.log(String(error.stack), `Answered a request with 500: ${placeOf(error)}`);
    } else if (error instanceof ArgumentError) {
      const advice = 'If it comes from the client, validate it before the call';
      this.log(String(error.stack), `Answered an invalid argument with 400. ${advice}: ${placeOf(error)}`);
    }
  }

  /** Reports a request that another site may have made. @param reason why it was taken for one */
  crossSite(reason: string): void {
    this.log('CROSS_SITE_REQUEST', `Answered a login, or a request with a session cookie, with 403: ${reason}.`);
  }

  /** Reports an event that no one is told of. */
  dropped(pattern: string, reason: string): void {
    this.log(`${pattern} ${reason}`, `Dropped the event ${pattern}, which has no valid token: ${reason}.`);
  }

  noRefreshCookie(path: string): void {
    this.log(
      'noRefreshCookie',
      `A refresh came without the refresh cookie, which every login sets unless tokens are sliding. Browsers send it to ${path} only: if the route has another path, set the option "refreshPath" of cookies().`,
    );
  }

  unavailable(cause: unknown): void {
    this.log('SESSION_STORE_UNAVAILABLE', `Requests are answered with 503: ${describeError(cause)}`);
  }

  private log(key: string, line: string): void {
    const now = performance.now();
    if (now - (this.reportedAt.get(key) ?? -Infinity) < EVERY_MS) return;
    if (this.reportedAt.size >= MAX_KNOWN) this.reportedAt.clear();
    this.reportedAt.set(key, now);
    this.logger.warn(line);
  }
}

/** Returns the message and the calling code. */
function placeOf({ message, stack = '' }: Error): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [message, ...frames].join('\n');
}

/** Adds jitter if nothing is known, so that the clients of an outage do not all return in the same second. */
function retryAfterSeconds(retryAfterMs: number | null): number {
  return retryAfterMs === null ? 1 + Math.floor(Math.random() * 3) : Math.max(1, Math.ceil(retryAfterMs / 1000));
}

/** Body fields that tell the holder of an ended session's token more than the reason. */
export function endDetails(result: Refusal): Record<string, unknown> {
  if (!TELLS_END.has(result.reason) || result.endedAt === undefined) return {};
  const { endedAt, replacedBy } = result;
  return {
    endedAt: new Date(endedAt).toISOString(),
    ...(replacedBy && { replacedBy: { ...replacedBy, at: new Date(replacedBy.at).toISOString() } }),
  };
}

/** Sets headers on a response of Express or Fastify; ignores anything else, and an answer under way. */
export function setHeaders(response: unknown, headers: HttpAnswer['headers']): void {
  const { setHeader, header, headersSent } = (response ?? {}) as Partial<Record<string, unknown>>;
  const set = headersSent === true ? undefined : [setHeader, header].find((method) => typeof method === 'function');
  for (const [name, value] of Object.entries(headers)) set?.call(response, name, value);
}

/** Replaces characters that may not appear in a challenge's quoted-string (RFC 6750 section 3). */
function quotable(text: string): string {
  return text.replace(/"/g, "'").replace(/[^\x20-\x5b\x5d-\x7e]+/g, '?');
}
