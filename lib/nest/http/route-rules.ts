import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { checkService, levelOf } from '../../commands/ban.js';
import { serviceBan } from '../../model/ban.js';
import { type Duration, parseDuration } from '../../model/timing.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { UserSession } from '../../model/session.js';

/**
 * Opens a route, or all routes of a controller, to requests without a token. The nearer decorator wins: on a
 * controller, it opens no route that has its own Sensitive, CheckBan or RequireFresh.
 */
export const Public = Reflector.createDecorator<true, true>({ transform: () => true });

/** Verifies the token in the database for every request of a route or controller, bypassing all caches. */
export const Sensitive = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * Keeps requests of a route or controller from counting as a use of the session, for lastSeenAt and the idle timeout.
 * Their addresses are still recorded. For routes that clients poll by themselves. Clients can mark single requests, see
 * the option `headers.noActivity`.
 */
export const NoActivity = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * Lets pages of any site send requests with the session cookie to a route or controller, and log in through it. For answers
 * of identity providers alone (`form_post`, SAML), whose own proof the handler checks: any page can use the session of its
 * visitor here, or log the visitor in as somebody else.
 */
export const AllowCrossSite = Reflector.createDecorator<true, true>({ transform: () => true });

/**
 * Refuses sessions whose user has not authenticated within this time, by login or SessionService.reauthenticate, with
 * 403 FRESH_LOGIN_REQUIRED. Sessions of impersonators are always refused. On a route, overrides its controller's.
 * @throws SessionError CONFIGURATION_INVALID for a malformed duration
 */
export const RequireFresh = Reflector.createDecorator<Duration, number>({
  transform: (age) => parseDuration(age, '@RequireFresh'),
});

/** Service of a route, and the lowest level of a ban that closes it. */
export interface BanCheck {
  readonly service: string;
  readonly level: number;
}

/** Metadata of CheckBan. */
export const BanChecks = Reflector.createDecorator<readonly BanCheck[]>();

/**
 * Refuses users banned from a service at this level or above (see OperatorService.ban), with 403 SERVICE_BANNED. A
 * route can have several. On a route, overrides its controller's for the same service.
 * @param level default 1
 * @throws SessionError ARGUMENT_INVALID for an invalid service or level
 */
export function CheckBan(service: string, level = 1): ClassDecorator & MethodDecorator {
  const check: BanCheck = { service: checkService(service), level: levelOf(level) };
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const earlier = (Reflect.getMetadata(BanChecks.KEY, (descriptor?.value ?? target) as object) ?? []) as BanCheck[];
    BanChecks([...earlier, check])(target, key!, descriptor!);
  };
}

/** Rules set by the decorators of a route and its controller. */
export interface RouteRules {
  /** Needs no token. */
  readonly isPublic: boolean;
  /** Bypasses all caches. */
  readonly strict: boolean;
  /** Counts as a use of the session. */
  readonly activity: boolean;
  /** Accepts the session cookie from other sites. */
  readonly allowCrossSite: boolean;
  readonly banChecks: readonly BanCheck[];
  /** Maximum age of the last authentication in milliseconds; null for any. */
  readonly freshMs: number | null;
}

/** Reason to refuse a request with a valid token. */
export interface BrokenRule {
  readonly code: SessionErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Rules of a handler's routes; an inherited handler has some for each of its controllers. */
interface RulesOfHandler {
  readonly controller: object;
  readonly rules: RouteRules;
  readonly next: RulesOfHandler | null;
}

/** Caches the rules of each route. */
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
    allowCrossSite: reflector.getAllAndOverride(AllowCrossSite, targets) === true,
    banChecks: [...checks.values()],
    freshMs: reflector.getAllAndOverride(RequireFresh, targets) ?? null,
  };
}

/** True for a route that requires a valid token, whatever a subclass of AuthGuard admits. */
export function asksForSession({ strict, freshMs, banChecks }: RouteRules): boolean {
  return strict || freshMs !== null || banChecks.length > 0;
}

/** A route with requirements on its session is not open, unless Public is nearer to it. */
function isPublic(reflector: Reflector, targets: readonly Target[]): boolean {
  for (const target of targets) {
    if ([Sensitive, RequireFresh, BanChecks].some((rule) => reflector.get(rule as typeof Sensitive, target)))
      return false;
    if (reflector.get(Public, target)) return true;
  }
  return false;
}

/** Returns the first rule that a session breaks, or null. Pure. @param now milliseconds since the epoch */
export function brokenRule(
  session: UserSession,
  { banChecks, freshMs }: Pick<RouteRules, 'banChecks' | 'freshMs'>,
  now: number,
): BrokenRule | null {
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
