import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { setHeaders } from '../../nest/http/answers.js';

/** What operators are told is nothing for a cache on the way (RFC 9111 section 5.2.2.5). */
@Injectable()
export class NoStoreInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    setHeaders(context.switchToHttp().getResponse(), { 'Cache-Control': 'no-store' });
    return next.handle();
  }
}
