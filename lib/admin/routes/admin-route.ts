import { Controller, UseGuards, UseInterceptors, applyDecorators } from '@nestjs/common';
import { AuthGuard } from '../../nest/http/auth.guard.js';
import { AdminGuard } from '../access/admin.guard.js';
import { StrictInput } from '../../nest/http/route-input.js';
import { NoStoreInterceptor } from '../access/no-store.interceptor.js';

/** A controller of JSON routes: a good token, then the rights of an operator, no field that is not known, and no copy of any answer. */
export function AdminRoutes(path = ''): ClassDecorator {
  return applyDecorators(
    Controller(path),
    UseGuards(AuthGuard, AdminGuard),
    UseInterceptors(NoStoreInterceptor, StrictInput),
  );
}
