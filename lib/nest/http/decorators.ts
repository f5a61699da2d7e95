import { type ExecutionContext, type PipeTransform, type Type, createParamDecorator } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { checkService, levelOf } from '../../commands/account-control.js';
import { type Duration, parseDuration } from '../../model/duration.js';
import { identityOf } from './execution-identity.js';

/**
 * Opens a route, or all routes of a controller, to requests without a token. What stands nearer to the route counts: on a
 * controller it opens no route that has a Sensitive, CheckBan or RequireFresh of its own.
 */
export const Public = Reflector.createDecorator<true, true>({ transform: () => true });

/** Has the token looked up in the database for every request of a route or controller, and never in memory. */
export const Sensitive = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * Keeps requests of a route or controller from counting as a use of the session, for lastSeenAt and the idle timeout; their
 * addresses are noted all the same. For routes that clients call by themselves. A client can say the same of one request, see the option `headers.noActivity`.
 */
export const NoActivity = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * Refuses sessions whose user has not proved who they are for longer than this, with 403 FRESH_LOGIN_REQUIRED: by login, or
 * by TokenService.reauthenticate. Sessions of impersonators are always refused. On a route it takes the place of its controller's.
 * @throws SessionError CONFIGURATION_INVALID for what is no duration
 */
export const RequireFresh = Reflector.createDecorator<Duration, number>({
  transform: (age) => parseDuration(age, '@RequireFresh'),
});

/** A service that a route belongs to, and the least level of a ban that closes it. */
export interface BanCheck {
  readonly service: string;
  readonly level: number;
}

/** What CheckBan notes. */
export const BanChecks = Reflector.createDecorator<readonly BanCheck[]>();

/**
 * Refuses users who are banned from a service at this level or above, with 403 SERVICE_BANNED (see TokenService.ban). Several
 * may stand on one route. On a route it takes the place of its controller's for the same service.
 * @param level default 1
 * @throws SessionError ARGUMENT_INVALID for a service or a level that no ban can have
 */
export function CheckBan(service: string, level = 1): ClassDecorator & MethodDecorator {
  const check: BanCheck = { service: checkService(service), level: levelOf(level) };
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const earlier = (Reflect.getMetadata(BanChecks.KEY, (descriptor?.value ?? target) as object) ?? []) as BanCheck[];
    BanChecks([...earlier, check])(target, key!, descriptor!);
  };
}

/** The type that createParamDecorator has in every version of Nest that is supported. */
type ParameterOf = (
  property?: string | PipeTransform | Type<PipeTransform>,
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator;

/**
 * The user that a guard of this library verified for this request, message or field: the claims given at login and `userId`,
 * or what handleRequest of a subclass returned. Also one property of it, as in `@CurrentUser('userId')`. Null where no guard
 * verified one.
 */
export const CurrentUser: ParameterOf = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => partOf(identityOf(context)?.user, property),
);

/** The session that belongs to CurrentUser, or one property of it, as in `@CurrentSession('id')`. Null where there is none. */
export const CurrentSession: ParameterOf = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => partOf(identityOf(context)?.session, property),
);

/** Own properties only: no name reaches a prototype. */
function partOf(target: unknown, property: string | undefined): unknown {
  if (target === undefined || target === null) return null;
  if (property === undefined) return target;
  return Object.hasOwn(target, property) ? (target as Record<string, unknown>)[property] : undefined;
}
