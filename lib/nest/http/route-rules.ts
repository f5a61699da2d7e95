import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { checkService, levelOf } from '../../commands/ban.js';
import { serviceBan } from '../../model/ban.js';
import { type Duration, parseDuration } from '../../model/timing.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { UserSession } from '../../model/session.js';

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
 * by SessionService.reauthenticate. Sessions of impersonators are always refused. On a route it takes the place of its controller's.
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

/** The metadata of CheckBan. */
export const BanChecks = Reflector.createDecorator<readonly BanCheck[]>();

/**
 * Refuses users who are banned from a service at this level or above, with 403 SERVICE_BANNED (see OperatorService.ban). Several
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

/** The rules that the decorators of a route and of its controller set. */
export interface RouteRules {
  /** Needs no token. */
  readonly isPublic: boolean;
  /** Asks the database in any case. */
  readonly strict: boolean;
  /** Counts as a use of the session. */
  readonly activity: boolean;
  readonly banChecks: readonly BanCheck[];
  /** Longest time since the user proved who they are, in milliseconds; null for any. */
  readonly freshMs: number | null;
}

/** Why a good token is not enough for a route. */
export interface BrokenRule {
  readonly code: SessionErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The rules of a handler's routes: a handler that is inherited has some for each of its controllers. */
interface RulesOfHandler {
  readonly controller: object;
  readonly rules: RouteRules;
  readonly next: RulesOfHandler | null;
}

/** Remembers the rules of each route. */
export class RulesOfRoutes {
  private readonly known = new WeakMap<object, RulesOfHandler>();

  constructor(private readonly reflector: Reflector) {}

  of(context: ExecutionContext): RouteRules {
    const handler = context.getHandler();
    const controller = context.getClass();
    const latest = this.known.get(handler) ?? null;
    for (let one = latest; one; one = one.next) if (one.controller === controller) return one.rules;
    const rules = routeRules(this.reflector, handler, controller);
    this.known.set(handler, { controller, rules, next: latest });
    return rules;
  }
}

type Target = ReturnType<ExecutionContext['getClass']> | ReturnType<ExecutionContext['getHandler']>;

/** Reads the rules of a route, nearest first. */
function routeRules(reflector: Reflector, handler: Target, controller: Target): RouteRules {
  const targets = [handler, controller];
  const checks = new Map<string, BanCheck>();
  for (const target of [...targets].reverse()) {
    for (const check of reflector.get(BanChecks, target) ?? []) checks.set(check.service, check);
  }
  return {
    isPublic: isPublic(reflector, targets),
    strict: reflector.getAllAndOverride(Sensitive, targets) === true,
    activity: reflector.getAllAndOverride(NoActivity, targets) !== true,
    banChecks: [...checks.values()],
    freshMs: reflector.getAllAndOverride(RequireFresh, targets) ?? null,
  };
}

/** True for a route that needs a good token, whatever a subclass of AuthGuard lets pass. */
export function asksForSession({ strict, freshMs, banChecks }: RouteRules): boolean {
  return strict || freshMs !== null || banChecks.length > 0;
}

/** A route that asks something of its session is not open, unless Public stands nearer to it. */
function isPublic(reflector: Reflector, targets: readonly Target[]): boolean {
  for (const target of targets) {
    if ([Sensitive, RequireFresh, BanChecks].some((rule) => reflector.get(rule as typeof Sensitive, target)))
      return false;
    if (reflector.get(Public, target)) return true;
  }
  return false;
}

/** The first rule that a session does not keep, or null. Pure. @param now milliseconds since the epoch */
export function brokenRule(session: UserSession, { banChecks, freshMs }: RouteRules, now: number): BrokenRule | null {
  for (const { service, level } of banChecks) {
    const ban = serviceBan(session.bans, service, level, now);
    if (ban) {
      const until = ban.until === null ? null : new Date(ban.until).toISOString();
      const reason = ban.comment === null ? {} : { reason: ban.comment };
      return { code: 'SERVICE_BANNED', details: { service, level: ban.level, until, ...reason } };
    }
  }
  if (freshMs === null) return null;
  const impersonated = session.impersonator !== null;
  const provedAt = Math.max(session.authenticatedAt, session.reauthenticatedAt ?? 0);
  if (!impersonated && now - provedAt <= freshMs) return null;
  const maxAge = Math.floor(freshMs / 1000);
  return { code: 'FRESH_LOGIN_REQUIRED', details: { maxAge, ...(impersonated && { impersonated }) } };
}
