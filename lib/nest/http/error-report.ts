import { Logger } from '@nestjs/common';
import { ArgumentError, ChangePendingError, SessionError } from '../../model/session-error.js';
import { describeError } from '../module/describe-error.js';

const EVERY_MS = 5000;
const MAX_KNOWN = 100;

/**
 * Logs the errors that clients are answered with and only the server's side can mend. An outage, or a mistake in code that runs for every
 * request, is one line in some seconds.
 */
export class ErrorReport {
  private readonly logger = new Logger('SessionModule');
  private readonly reportedAt = new Map<string, number>();

  /** @param error what a call of this library threw, and is about to be the answer to a request */
  answered(error: SessionError): void {
    if (error.code === 'SESSION_STORE_UNAVAILABLE') {
      this.unavailable(error.cause ?? error);
    } else if (error instanceof ChangePendingError) {
      const by = new Date(error.effectiveBy).toISOString();
      this.log(error.code, `An end was answered with 202, since a node has not acknowledged it: effective by ${by}.`);
    } else if (['CONFIGURATION_INVALID', 'INSIDE_TRANSACTION'].includes(error.code)) {
      this.log(String(error.stack), `A request was answered with 500: ${placeOf(error)}`);
    } else if (error instanceof ArgumentError) {
      const advice = 'If it came from the client, check it before the call';
      this.log(String(error.stack), `An invalid argument was answered with 400. ${advice}: ${placeOf(error)}`);
    }
  }

  /** Requests that could not be judged. */
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

/** The message, and the calls that led to it. */
function placeOf({ message, stack = '' }: Error): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [message, ...frames].join('\n');
}
