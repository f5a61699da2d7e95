import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Observable } from 'rxjs';

/**
 * Answers hold tokens and what belongs to one user: no cache on the way may keep them (RFC 6749 5.1, RFC 9111 5.2.2.5),
 * unless a route says of its own, with `@Header`, that one may.
 */
@Injectable()
export class NoStoreInterceptor implements NestInterceptor {
  constructor(private readonly host: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { httpAdapter } = this.host;
    const response: unknown = context.switchToHttp().getResponse();
    if (!httpAdapter.getHeader(response, 'Cache-Control')) {
      httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    }
    return next.handle();
  }
}
