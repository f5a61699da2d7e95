import {
  Controller,
  UseGuards,
  UseInterceptors,
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { AuthGuard } from '../../nest/http/auth.guard.js';
import { AdminGuard } from '../access/admin.guard.js';
import { StrictInput } from '../../nest/http/route-input.js';
import type { Observable } from 'rxjs';
import { setHeaders } from '../../nest/http/answers.js';

/**
 * Declares a controller of JSON routes: requires a valid token and the operator's rights, refuses unknown fields, and
 * forbids caching.
 */
export function AdminRoutes(path = ''): ClassDecorator {
  return applyDecorators(
    Controller(path),
    UseGuards(AuthGuard, AdminGuard),
    UseInterceptors(NoStoreInterceptor, StrictInput),
  );
}

/** Answers to operators must not be stored by intermediaries (RFC 9111 section 5.2.2.5). */
@Injectable()
export class NoStoreInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    setHeaders(context.switchToHttp().getResponse(), { 'Cache-Control': 'no-store' });
    return next.handle();
  }
}
