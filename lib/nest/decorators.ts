import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { CURRENT_SESSION, type CurrentSessionUser } from './session-authenticator.js';
import type { Session } from '../core/session.js';

/** Opens a route, or all routes of a controller, to requests without a token. */
export const Public = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * The user of the request: the claims given at login and `userId`, or one property of them, as in
 * `@CurrentUser('userId')`. Undefined on a route that is not guarded.
 */
export const CurrentUser = createParamDecorator((property: string | undefined, context: ExecutionContext): unknown => {
  // Where there is none, other libraries leave null.
  const user = context.switchToHttp().getRequest<{ user?: CurrentSessionUser | null }>().user ?? undefined;
  return property === undefined || user === undefined ? user : ownValue(user, property);
});

/** The session of the request, or one property of it, as in `@CurrentSession('id')`. Undefined where not guarded. */
export const CurrentSession = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => {
    const session = context.switchToHttp().getRequest<{ [CURRENT_SESSION]?: Session }>()[CURRENT_SESSION];
    return property === undefined || session === undefined ? session : ownValue(session, property);
  },
);

function ownValue(target: object, property: string): unknown {
  return Object.hasOwn(target, property) ? (target as Record<string, unknown>)[property] : undefined;
}
