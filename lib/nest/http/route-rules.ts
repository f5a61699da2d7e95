import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { serviceBan } from '../../model/ban.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { Session } from '../../model/session.js';
import { type BanCheck, BanChecks, NoActivity, Public, RequireFresh, Sensitive } from './decorators.js';

/** What the decorators of a route and of its controller ask of a request. */
export interface RouteRules {
  /** Whether it needs no token. */
  readonly isPublic: boolean;
  /** Whether the database must be asked. */
  readonly strict: boolean;
  /** Whether it counts as a use of the session. */
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

type Target = ReturnType<ExecutionContext['getClass']> | ReturnType<ExecutionContext['getHandler']>;

/** Reads the rules of a route, nearest first. */
export function routeRules(reflector: Reflector, handler: Target, controller: Target): RouteRules {
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

/** Whether a route is for requests with a good token only, whatever a subclass of AuthGuard lets pass. */
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
export function brokenRule(session: Session, { banChecks, freshMs }: RouteRules, now: number): BrokenRule | null {
  for (const { service, level } of banChecks) {
    const ban = serviceBan(session.bans, service, level, now);
    if (ban) {
      const until = ban.until === null ? null : new Date(ban.until).toISOString();
      const reason = ban.reason === null ? {} : { reason: ban.reason };
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
