import { Reflector } from '@nestjs/core';
import { checkService, levelOf } from '../../commands/ban.js';
import { readMethods } from '../../model/authentication-methods.js';
import { isObject } from '../../model/checked-input.js';
import type { Claims } from '../../model/session.js';
import { SessionError, misused } from '../../model/session-error.js';
import { type Duration, parseDuration } from '../../model/timing.js';

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

/** Options of RequireFresh. */
export interface FreshOptions {
  /**
   * Methods that the authentication must have had, all of them, as LoginOptions has them: `['mfa']`. Default: any will do. Those
   * of an earlier authentication do not count.
   */
  readonly amr?: readonly string[];
}

/** How recent the last authentication must be, and by which methods. */
export interface FreshRule {
  /** Milliseconds. */
  readonly ageMs: number;
  /** Empty for any. */
  readonly amr: readonly string[];
}

/** Metadata of RequireFresh. */
export const FreshRules = Reflector.createDecorator<FreshRule>();

/**
 * Refuses sessions whose user has not authenticated within this time, by login or SessionService.reauthenticate, or by other
 * methods than these, with FRESH_LOGIN_REQUIRED: 403, or 401 by the module option `stepUp`. Sessions of impersonators are always
 * refused. On a route, overrides its controller's, methods included.
 * @throws SessionError CONFIGURATION_INVALID for a malformed duration or method, or an unknown option; if it is there twice
 */
export function RequireFresh(age: Duration, options: FreshOptions = {}): ClassDecorator & MethodDecorator {
  const invalid = (problem: string) => misused(`The option "amr" of @RequireFresh() ${problem}`);
  if (!isObject(options) || Object.keys(options).some((name) => name !== 'amr')) {
    throw misused('@RequireFresh() has one option, as in @RequireFresh("10m", { amr: ["mfa"] })');
  }
  const amr = options.amr === undefined ? [] : readMethods(options.amr, invalid);
  const rule: FreshRule = { ageMs: parseDuration(age, '@RequireFresh'), amr };
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const place = (descriptor?.value ?? target) as { readonly name: string };
    if (Reflect.hasOwnMetadata(FreshRules.KEY, place)) {
      throw misused(`${place.name} has @RequireFresh() twice: keep the one that is meant`);
    }
    FreshRules(rule)(target, key!, descriptor!);
  };
}

/** Names in the claim `roles`, as SessionClaims types it. */
type Role = Claims extends { readonly roles: readonly (infer R)[] } ? R & string : string;

/** Claims that a session must have. An array must contain the value, or every value of an array. */
type RequiredClaims = {
  readonly [K in keyof Claims]?: Claims[K] extends readonly (infer Item)[] ? Item | Claims[K] : Claims[K];
};

/** Metadata of RequireRole and RequireClaims. */
export const Roles = Reflector.createDecorator<readonly string[]>();
export const ClaimRules = Reflector.createDecorator<Readonly<Record<string, unknown>>>();

/**
 * Refuses sessions whose claim `roles` contains none of these, with 403 FORBIDDEN. On a route, overrides its controller's.
 * @throws SessionError CONFIGURATION_INVALID unless there is a role, and each is text
 */
export function RequireRole(...roles: readonly Role[]): ClassDecorator & MethodDecorator {
  if (roles.length === 0 || !roles.every((role: unknown) => typeof role === 'string' && role !== '')) {
    throw new SessionError(
      'CONFIGURATION_INVALID',
      '@RequireRole() needs names of roles, such as @RequireRole("admin").',
    );
  }
  return Roles(roles);
}

/**
 * Refuses sessions that lack one of these claims, with 403 FORBIDDEN. A claim that is an array must contain the value. On a
 * route, overrides its controller's.
 * @throws SessionError CONFIGURATION_INVALID unless it is an object with a claim; for undefined and an empty array, which every session
 * would have
 */
export function RequireClaims(claims: RequiredClaims): ClassDecorator & MethodDecorator {
  const isEmpty = (value: unknown) => value === undefined || (Array.isArray(value) && value.length === 0);
  const required: [string, unknown][] = isObject(claims) ? Object.entries(claims) : [];
  const [empty] = required.find(([, value]) => isEmpty(value)) ?? [];
  if (required.length === 0 || empty !== undefined) {
    throw new SessionError(
      'CONFIGURATION_INVALID',
      `@RequireClaims() needs claims with their values, such as @RequireClaims({ plan: "pro" })${empty === undefined ? '' : `: "${empty}" has none`}.`,
    );
  }
  return ClaimRules(claims);
}

/** Options of OptionalAuth. */
export interface OptionalAuthOptions {
  /** Treats a token that is not valid as none, instead of answering 401 with the reason. Default: false. */
  readonly ignoreInvalid?: boolean;
  /** Realm of the SessionModule, for an application with several. Default: that of the only one its module imports. */
  readonly realm?: string;
}

/** Metadata of OptionalAuth. */
export const Optional = Reflector.createDecorator<OptionalAuthOptions>();

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
