import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SessionError } from 'nestjs-latchkey';
import type { SampleUser } from '../auth/sample-user.js';
import type { Role } from '../users/app-user.entity.js';

/** The role that a controller or a route needs. */
export const NeedsRole = Reflector.createDecorator<Role>();

/** Runs after AuthGuard, which is there for every route. Refuses where no role is named: a route left open by mistake. */
@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const role = this.reflector.getAllAndOverride(NeedsRole, [context.getHandler(), context.getClass()]);
    const { user } = context.switchToHttp().getRequest<{ user?: SampleUser }>();
    if (!role || !user?.roles.includes(role)) throw new SessionError('FORBIDDEN');
    return true;
  }
}
