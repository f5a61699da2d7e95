import { type ArgumentsHost, Catch, HttpException } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { type Observable, of, throwError } from 'rxjs';
import { SessionLimitError } from '../../model/session-limit-error.js';
import { ChangePendingError, SessionError, TokenRefusedError, UnacknowledgedError } from '../../model/session-error.js';
import { type Answers, type HttpAnswer, endDetails, setHeaders } from './answers.js';
import { SessionAuthenticator } from './session-authenticator.js';

/** Refusal of an event of a microservice. An HttpException, which Nest does not log. */
export class DroppedEvent extends HttpException {}

/**
 * Answers SessionErrors thrown in a controller or resolver: 409 for a session limit, 503 with Retry-After if the store is
 * unavailable, 202 for a change not yet acknowledged, and so on. SessionModule installs it.
 */
@Catch(SessionError, DroppedEvent)
export class SessionErrorFilter extends BaseExceptionFilter {
  constructor(private readonly authenticator: SessionAuthenticator) {
    super();
  }

  override catch(error: SessionError | DroppedEvent, host: ArgumentsHost): Observable<unknown> | void {
    // Kafka would repeat an event that fails, and go on to no other.
    if (error instanceof DroppedEvent) return of(undefined);
    const { exception, headers } = answerTo(error, this.authenticator.answers);
    // A filter that throws leaves a microservice's caller without an answer.
    if (host.getType() === 'rpc') return throwError(() => messageOf(exception));
    const type = host.getType<string>();
    if (type !== 'http') throw type === 'graphql' ? exception : error;
    setHeaders(host.switchToHttp().getResponse(), headers);
    super.catch(exception, host);
  }
}

/** Answers an error that a handler threw, and logs it if only the server's side can fix it. */
export function answerTo(error: SessionError, answers: Answers): HttpAnswer {
  const retryAfterMs = error instanceof UnacknowledgedError ? error.retryAfterMs : null;
  // An invalid argument needs the error's own message; the application may override all other texts.
  const own = error.code === 'ARGUMENT_INVALID' ? error.message : undefined;
  const message = error instanceof TokenRefusedError ? answers.refreshMessage(error.code) : own;
  answers.reports.answered(error);
  return answers.to(error.code, detailsOf(error), message, retryAfterMs);
}

/** Returns the body of an answer as sockets and microservices send errors. */
export function messageOf(exception: HttpException): Record<string, unknown> {
  const response = exception.getResponse();
  if (typeof response === 'string') return { status: 'error', message: response };
  const { statusCode: _, error: __, ...body } = response as Record<string, unknown>;
  return { status: 'error', ...body };
}

/** Body fields beside code and message. */
function detailsOf(error: SessionError): Record<string, unknown> {
  if (error instanceof ChangePendingError) return { effectiveBy: new Date(error.effectiveBy).toISOString() };
  if (error instanceof SessionLimitError) return limitDetails(error);
  return error instanceof TokenRefusedError ? endDetails(error.refusal) : {};
}

function limitDetails({ limit, sessions, ticket }: SessionLimitError): Record<string, unknown> {
  const shown = sessions.map(({ id, createdAt, lastSeenAt, ...device }) => ({
    sessionId: id,
    ...device,
    createdAt: new Date(createdAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
  }));
  return { limit, sessions: shown, ticket };
}
