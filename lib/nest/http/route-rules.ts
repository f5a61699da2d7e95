import { isDeepStrictEqual } from 'node:util';
import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { serviceBan } from '../../model/ban.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { UserSession } from '../../model/session.js';
import {
  AllowCrossSite,
  type BanCheck,
  BanChecks,
  ClaimRules,
  type FreshRule,
  FreshRules,
  NoActivity,
  Optional,
  type OptionalAuthOptions,
  Public,
  Roles,
  Sensitive,
} from './route-decorators.js';

/** Rules set by the decorators of a route and its controller. */
export interface RouteRules {
  /** Needs no token, and reads none. */
  readonly isPublic: boolean;
  /** Set for a route that also admits requests without a token. */
  readonly optional: OptionalAuthOptions | null;
  /** Bypasses all caches. */
  readonly strict: boolean;
  /** Counts as a use of the session. */
  readonly activity: boolean;
  /** Renews a sliding token near its expiry. */
  readonly renew: boolean;
  /** Accepts the session cookie from other sites. */
  readonly allowCrossSite: boolean;
  /** Set for server-sent events: other sites may not open them with the cookie. */
  readonly channel?: 'stream';
  readonly banChecks: readonly BanCheck[];
  /** Demands on the last authentication; null for none. */
  readonly fresh: FreshRule | null;
  /** Roles of which the session must have one; null for any. */
  readonly roles: readonly string[] | null;
  /** Claims that the session must have; null for any. */
  readonly claims: Readonly<Record<string, unknown>> | null;
}

/** Judges a token apart from any handler. */
export const CHANNEL_RULES: RouteRules = {
  isPublic: false,
  optional: null,
  strict: false,
  renew: true,
  activity: false,
  allowCrossSite: false,
  banChecks: [],
  fresh: null,
  roles: null,
  claims: null,
};

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

/** Metadata of Nest's `@Sse()`. */
export const SSE = '__sse__';

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
export function routeRules(reflector: Reflector, handler: Target, controller: Target): RouteRules {
  const targets = [handler, controller];
  const checks = new Map<string, BanCheck>();
  for (const target of [...targets].reverse()) {
    for (const check of reflector.get(BanChecks, target) ?? []) checks.set(check.service, check);
  }
  const access = accessOf(reflector, targets);
  return {
    isPublic: access === 'public',
    optional: access === 'required' || access === 'public' ? null : access,
    strict: reflector.getAllAndOverride(Sensitive, targets) === true,
    renew: true,
    activity: reflector.getAllAndOverride(NoActivity, targets) !== true,
    allowCrossSite: reflector.getAllAndOverride(AllowCrossSite, targets) === true,
    ...(Reflect.hasMetadata(SSE, handler) && { channel: 'stream' }),
    banChecks: [...checks.values()],
    fresh: reflector.getAllAndOverride(FreshRules, targets) ?? null,
    roles: access === 'required' ? (reflector.getAllAndOverride(Roles, targets) ?? null) : null,
    claims: access === 'required' ? (reflector.getAllAndOverride(ClaimRules, targets) ?? null) : null,
  };
}

/** True for a route that requires a valid token, whatever a subclass of AuthGuard admits. */
export function asksForSession({ optional, strict, fresh, banChecks, roles, claims }: RouteRules): boolean {
  if (optional) return false;
  return strict || fresh !== null || banChecks.length > 0 || roles !== null || claims !== null;
}

/** Rules that need a session, by the name of their decorator. */
const REQUIREMENTS = {
  Sensitive,
  RequireFresh: FreshRules,
  CheckBan: BanChecks,
  RequireRole: Roles,
  RequireClaims: ClaimRules,
};
/** Rules that no session without a user can keep. */
const OF_USER = new Set(['RequireRole', 'RequireClaims']);

/** Returns the names of the decorators of a route or controller that need a session. */
export function requirementsOf(reflector: Reflector, target: Target): readonly string[] {
  return Object.entries(REQUIREMENTS).flatMap(([name, rule]) =>
    reflector.get(rule as typeof Sensitive, target) === undefined ? [] : [name],
  );
}

/** Returns the decorators of one route or controller that contradict each other; null if none do. */
export function contradictionOf(reflector: Reflector, target: Target): string | null {
  const needs = requirementsOf(reflector, target);
  const isOpen = reflector.get(Public, target) === true;
  const optional = reflector.get(Optional, target) !== undefined;
  if (isOpen && optional) return '@Public() and @OptionalAuth()';
  if (isOpen && needs.length > 0) return `@Public() and @${needs[0]}()`;
  const ofUser = optional && needs.find((name) => OF_USER.has(name));
  return ofUser ? `@OptionalAuth() and @${ofUser}()` : null;
}

/** Reads whether a route needs a token. The nearest decorator that says so wins. */
function accessOf(reflector: Reflector, targets: readonly Target[]): 'public' | 'required' | OptionalAuthOptions {
  for (const target of targets) {
    const optional = reflector.get(Optional, target);
    if (optional !== undefined) return optional;
    if (requirementsOf(reflector, target).length > 0) return 'required';
    if (reflector.get(Public, target)) return 'public';
  }
  return 'required';
}

/** Returns the first rule that a session breaks, or null. Pure. @param now milliseconds since the epoch */
export function brokenRule(
  session: UserSession,
  { banChecks, fresh, roles, claims }: Pick<RouteRules, 'banChecks' | 'fresh'> & Partial<RouteRules>,
  now: number,
): BrokenRule | null {
  if (roles && !roles.some((role) => hasItem(session.claims, 'roles', role))) {
    return { code: 'FORBIDDEN', details: { missing: { roles } } };
  }
  const missing = Object.entries(claims ?? {}).filter(([name, value]) => !hasClaim(session.claims, name, value));
  if (missing.length > 0) return { code: 'FORBIDDEN', details: { missing: { claims: Object.fromEntries(missing) } } };
  for (const { service, level } of banChecks) {
    const ban = serviceBan(session.bans, service, level, now);
    if (ban) {
      const until = ban.until === null ? null : new Date(ban.until).toISOString();
      const reason = ban.comment === null ? {} : { reason: ban.comment };
      return { code: 'SERVICE_BANNED', details: { service, level: ban.level, until, ...reason } };
    }
  }
  return fresh && staleness(session, fresh, now);
}

function staleness(session: UserSession, { ageMs, amr }: FreshRule, now: number): BrokenRule | null {
  const impersonated = session.impersonator !== null;
  const provedAt = Math.max(session.authenticatedAt, session.reauthenticatedAt ?? 0);
  const isProved = now - provedAt <= ageMs && amr.every((method) => session.amr.includes(method));
  if (!impersonated && isProved) return null;
  const needed = { maxAge: Math.floor(ageMs / 1000), ...(amr.length > 0 && { amr }) };
  return { code: 'FRESH_LOGIN_REQUIRED', details: { ...needed, ...(impersonated && { impersonated }) } };
}

/** Own properties only, so that no name reaches a prototype. */
function claimOf(claims: object, name: string): unknown {
  return Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined;
}

function hasItem(claims: object, name: string, item: unknown): boolean {
  const list = claimOf(claims, name);
  return Array.isArray(list) && list.some((one) => isDeepStrictEqual(one, item));
}

function hasClaim(claims: object, name: string, value: unknown): boolean {
  if (!Array.isArray(claimOf(claims, name))) return isDeepStrictEqual(claimOf(claims, name), value);
  return [value].flat().every((item) => hasItem(claims, name, item));
}
