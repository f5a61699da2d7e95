import type { CanActivate, Type } from '@nestjs/common';
import { type Duration, parseDuration } from '../../model/timing.js';
import { type FieldsOf, checkOptions } from '../../model/checked-input.js';
import { invalidOption } from '../../model/session-error.js';
import type { Claims, UserSession } from '../../model/session.js';
import { ofModule } from '../../nest/module/resolve-options.js';

/**
 * Rights of operators.
 * - view: see who is online, events and statistics; without it every route is refused
 * - viewAddresses: see addresses and user agents, and search by them
 * - kick: end sessions
 * - endEverything: end all sessions of the realm at once
 * - ban: ban users and lift bans
 * - impersonate: open a session as a user
 * - export: download lists
 */
export const ADMIN_RIGHTS = ['view', 'viewAddresses', 'kick', 'endEverything', 'ban', 'impersonate', 'export'] as const;

export type AdminRight = (typeof ADMIN_RIGHTS)[number];

/** The operator who makes a request. */
export interface Operator {
  readonly userId: string;
  /** Claims that the application gave at login. */
  readonly claims: Claims;
  readonly session: UserSession;
}

/** Name and picture of a user. */
export interface UserDescription {
  readonly userId: string;
  readonly username?: string | null;
  /** An https or data URL of a picture; anything else is ignored. */
  readonly avatarUrl?: string | null;
}

/**
 * Routes of the application where operators sign in to the console. They must answer as those of the sample application
 * do.
 */
export interface ConsoleOptions {
  /**
   * POST `{ username, password, deviceType, deviceName }`; answers `{ accessToken, expiresIn, refreshToken?, sessionId
   * }`.
   */
  readonly login: string;
  /** POST `{ refreshToken }` with the same answer. Omit it for sliding tokens. */
  readonly refresh?: string;
  /** POST that ends the operator's session. */
  readonly logout?: string;
  /** POST `{ password }` that calls SessionService.reauthenticate. Required for `requireFresh`. */
  readonly reauthenticate?: string;
  /** Heading and title of the page. Default `Sessions`. */
  readonly title?: string;
}

export interface SessionAdminOptions {
  /** Decides for every request if the operator has a right. Either this or `guards` is required. */
  readonly authorize?: (operator: Operator, right: AdminRight) => boolean | Promise<boolean>;
  /** Guards of the application, run on every request after AuthGuard. They can inject what `imports` provides. */
  readonly guards?: readonly Type<CanActivate>[];
  /**
   * Returns names and pictures for the users of one page, in one call. Omit unknown users: they are refused as targets
   * of bans and impersonations. Default: the names given at login.
   */
  readonly describeUsers?: (userIds: readonly string[]) => Promise<readonly UserDescription[]>;
  /** Refuses changes with 403 FRESH_LOGIN_REQUIRED unless the operator has authenticated within this time. */
  readonly requireFresh?: Duration;
  /** Allows impersonation: returns the claims of the session as the user, or null to refuse. */
  readonly impersonate?: (userId: string, operator: Operator) => Promise<{ readonly claims: Claims } | null>;
  /** Serves the console page; false serves the JSON routes only. */
  readonly console?: ConsoleOptions | false;
}

/** Options that are needed before anything is injected. */
export interface SessionAdminExtras {
  /** Path of the routes, without a leading slash. Default `admin`. */
  readonly path?: string;
}

export interface ResolvedAdminOptions extends Omit<SessionAdminOptions, 'requireFresh' | 'guards' | 'console'> {
  readonly guards: readonly Type<CanActivate>[];
  readonly freshMs: number | null;
  readonly console: ConsoleOptions | null;
}

const KNOWN: FieldsOf<SessionAdminOptions> = {
  authorize: true,
  guards: true,
  describeUsers: true,
  requireFresh: true,
  impersonate: true,
  console: true,
};

/** @throws SessionError CONFIGURATION_INVALID, which stops the boot */
export function resolveAdminOptions(given: SessionAdminOptions | undefined): ResolvedAdminOptions {
  return ofModule('SessionAdminModule', () => resolve(given ?? {}));
}

function resolve(options: SessionAdminOptions): ResolvedAdminOptions {
  checkOptions(options, '', KNOWN);
  const { authorize, guards = [], describeUsers, impersonate, requireFresh } = options;
  for (const [name, value] of Object.entries({ authorize, describeUsers, impersonate })) {
    if (value !== undefined && typeof value !== 'function') throw invalidOption(name, 'must be a function');
  }
  if (!Array.isArray(guards) || !guards.every((guard) => typeof guard === 'function')) {
    throw invalidOption('guards', 'must be a list of guard classes');
  }
  if (!authorize && guards.length === 0) {
    const example = 'such as authorize: ({ claims }) => claims.role === "admin"';
    throw invalidOption('authorize', `or "guards" is required: state who may see and end sessions, ${example}`);
  }
  return {
    ...options,
    guards: guards as readonly Type<CanActivate>[],
    freshMs: requireFresh === undefined ? null : parseDuration(requireFresh, 'requireFresh'),
    console: consoleOptions(options.console),
  };
}

const CONSOLE_URLS = ['login', 'refresh', 'logout', 'reauthenticate'] as const;
const CONSOLE_KNOWN: FieldsOf<ConsoleOptions> = {
  login: true,
  refresh: true,
  logout: true,
  reauthenticate: true,
  title: true,
};

function consoleOptions(given: SessionAdminOptions['console']): ConsoleOptions | null {
  if (given === undefined || given === false) return null;
  checkOptions(given, 'console.', CONSOLE_KNOWN);
  for (const name of CONSOLE_URLS) {
    const url = given[name];
    if (url === undefined && name !== 'login') continue;
    if (typeof url !== 'string' || !/^\/(?!\/)/.test(url)) {
      throw invalidOption(`console.${name}`, 'must be a path of this application, such as /auth/login');
    }
  }
  if (given.title !== undefined && typeof given.title !== 'string') {
    throw invalidOption('console.title', 'must be text');
  }
  return given;
}
