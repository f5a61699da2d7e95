import { type ArgumentsHost, Catch } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { type Observable, throwError } from 'rxjs';
import { ChangePendingError, SessionError, TokenRefusedError, UnacknowledgedError } from '../../model/session-error.js';
import { endDetails, setHeaders } from './answers.js';
import { SessionAuthenticator } from './session-authenticator.js';

/**
 * Answers SessionErrors thrown in a controller: 409 for a session limit, 503 with Retry-After if the store is
 * unavailable, 202 for a change not yet acknowledged, and so on. SessionModule installs it.
 */
@Catch(SessionError)
export class SessionErrorFilter extends BaseExceptionFilter {
  constructor(private readonly authenticator: SessionAuthenticator) {
    super();
  }

  override catch(error: SessionError, host: ArgumentsHost): Observable<never> | void {
    const details = detailsOf(error);
    const retryAfterMs = error instanceof UnacknowledgedError ? error.retryAfterMs : null;
    const { answers } = this.authenticator;
    const { exception, headers } = answers.to(error.code, details, this.messageOf(error), retryAfterMs);
    answers.reports.answered(error);
    // A filter that throws leaves a microservice's caller without an answer.
    if (host.getType() === 'rpc') {
      return throwError(() => ({ status: 'error', message: exception.message, errorCode: error.code, ...details }));
    }
    if (host.getType() !== 'http') throw error;
    setHeaders(host.switchToHttp().getResponse(), headers);
    super.catch(exception, host);
  }

  /** An invalid argument needs the error's own message; the application may override all other texts. */
  private messageOf(error: SessionError): string | undefined {
    if (error.code === 'ARGUMENT_INVALID') return error.message;
    return error instanceof TokenRefusedError ? this.authenticator.answers.refreshMessage(error.code) : undefined;
  }
}

/** Body fields beside code and message. */
function detailsOf(error: SessionError): Record<string, unknown> {
  if (error instanceof ChangePendingError) return { effectiveBy: new Date(error.effectiveBy).toISOString() };
  return error instanceof TokenRefusedError ? endDetails(error.refusal) : {};
}
