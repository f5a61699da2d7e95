import type { CanActivate, Type } from '@nestjs/common';
import { type Duration, parseDuration } from '../../model/timing.js';
import { type FieldsOf, checkOptions } from '../../model/checked-input.js';
import { invalidOption } from '../../model/session-error.js';
import type { Claims, UserSession } from '../../model/session.js';

/**
 * What an operator may be allowed to do.
 * - view: see who is online, events and statistics; without it nothing is answered
 * - viewAddresses: see addresses and user agents, and search by them
 * - kick: end sessions
 * - ban: ban users and lift bans
 * - impersonate: open a session as a user
 * - export: download lists
 */
export const ADMIN_RIGHTS = ['view', 'viewAddresses', 'kick', 'ban', 'impersonate', 'export'] as const;

export type AdminRight = (typeof ADMIN_RIGHTS)[number];

/** Who is asking. */
export interface Operator {
  readonly userId: string;
  /** What the application said of them at login. */
  readonly claims: Claims;
  readonly session: UserSession;
}

/** What the application calls a user. */
export interface UserDescription {
  readonly userId: string;
  readonly username?: string | null;
  /** An https or data URL of a picture; anything else is left out. */
  readonly avatarUrl?: string | null;
}

/** Where the console page logs its operators in: routes of the application that answer as the sample application's do. */
export interface ConsoleOptions {
  /** POST `{ username, password, deviceType, deviceName }`, answered `{ accessToken, expiresIn, refreshToken?, sessionId }`. */
  readonly login: string;
  /** POST `{ refreshToken }`, answered alike; leave it out where tokens are sliding. */
  readonly refresh?: string;
  /** POST, which ends the operator's session. */
  readonly logout?: string;
  /** POST `{ password }`, which calls SessionService.reauthenticate; needed for `requireFresh`. */
  readonly confirm?: string;
  /** Heading and title of the page; default `Sessions`. */
  readonly title?: string;
}

export interface SessionAdminOptions {
  /** Says for every request whether the operator may do what it asks for. This, or `guards`, must be given. */
  readonly authorize?: (operator: Operator, right: AdminRight) => boolean | Promise<boolean>;
  /** Guards of the application that every request must pass after AuthGuard. They may be injected what `imports` provides. */
  readonly guards?: readonly Type<CanActivate>[];
  /**
   * Names and pictures for the users of a page, in one call; users that it does not know are left out, and are then refused as
   * the target of a ban or an impersonation. Without it, names are those given at login.
   */
  readonly describeUsers?: (userIds: readonly string[]) => Promise<readonly UserDescription[]>;
  /** Operators must have proved who they are within this time to change anything: 403 FRESH_LOGIN_REQUIRED otherwise. */
  readonly requireFresh?: Duration;
  /** Allows impersonation: the claims of the session as the user, or null to refuse it for this user. */
  readonly impersonate?: (userId: string, operator: Operator) => Promise<{ readonly claims: Claims } | null>;
  /** The console page; false for none, only the JSON routes. */
  readonly console?: ConsoleOptions | false;
}

/** What must be known before anything is injected. */
export interface SessionAdminExtras {
  /** Where the routes are mounted, without a leading slash; default `admin`. */
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
  const options = given ?? {};
  ofThisModule(() => checkOptions(options, '', KNOWN));
  const { authorize, guards = [], describeUsers, impersonate, requireFresh } = options;
  for (const [name, value] of Object.entries({ authorize, describeUsers, impersonate })) {
    if (value !== undefined && typeof value !== 'function') throw invalidAdminOption(name, 'must be a function');
  }
  if (!Array.isArray(guards) || !guards.every((guard) => typeof guard === 'function')) {
    throw invalidAdminOption('guards', 'must be a list of guard classes');
  }
  if (!authorize && guards.length === 0) {
    throw invalidAdminOption(
      'authorize',
      'is missing, and so is "guards": say who may see and end sessions, such as authorize: ({ claims }) => claims.role === "admin"',
    );
  }
  return {
    ...options,
    guards: guards as readonly Type<CanActivate>[],
    freshMs: requireFresh === undefined ? null : parseDuration(requireFresh, 'requireFresh'),
    console: consoleOptions(options.console),
  };
}

const CONSOLE_URLS = ['login', 'refresh', 'logout', 'confirm'] as const;
const CONSOLE_KNOWN: FieldsOf<ConsoleOptions> = {
  login: true,
  refresh: true,
  logout: true,
  confirm: true,
  title: true,
};

function consoleOptions(given: SessionAdminOptions['console']): ConsoleOptions | null {
  if (given === undefined || given === false) return null;
  ofThisModule(() => checkOptions(given, 'console.', CONSOLE_KNOWN));
  for (const name of CONSOLE_URLS) {
    const url = given[name];
    if (url === undefined && name !== 'login') continue;
    if (typeof url !== 'string' || !/^\/(?!\/)/.test(url)) {
      throw invalidAdminOption(`console.${name}`, 'must be a path of this application, such as /auth/login');
    }
  }
  if (given.title !== undefined && typeof given.title !== 'string') {
    throw invalidAdminOption('console.title', 'must be text');
  }
  return given;
}

/** @throws SessionError CONFIGURATION_INVALID */
export function checkPath(path: unknown): string {
  if (typeof path !== 'string' || !/^[\w~-]+(\/[\w~-]+)*$/.test(path)) {
    throw invalidAdminOption('path', 'must be a path such as "admin" or "ops/sessions", without slashes around it');
  }
  return path;
}

function invalidAdminOption(name: string, problem: string): Error {
  return renamed(invalidOption(name, problem));
}

function ofThisModule(check: () => void): void {
  try {
    check();
  } catch (error) {
    throw renamed(error as Error);
  }
}

function renamed(error: Error): Error {
  return Object.assign(error, { message: error.message.replace('SessionModule', 'SessionAdminModule') });
}
