import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { type Observable, catchError, throwError } from 'rxjs';
import { ArgumentError, SessionError } from '../core/session-error.js';

/** On a route of this library an invalid argument came with the request: the client is told, and there is nothing to log. */
@Injectable()
export class ClientInputInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(
        catchError((error: unknown) =>
          throwError(() => (error instanceof ArgumentError ? new SessionError(error.code, error.message) : error)),
        ),
      );
  }
}
