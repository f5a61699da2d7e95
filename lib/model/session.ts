import type { Ban } from './ban.js';
import type { SupersededPair, TokenPair } from './token-pair.js';

/**
 * The claims of an application. Declare them by declaration merging, and `login`, `updateClaims`, `CurrentSessionUser`, sessions,
 * policies and hooks are typed by them: `declare module 'nestjs-latchkey' { interface SessionClaims { roles: string[] } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- its members are the application's
export interface SessionClaims {}

/**
 * Plain JSON data about the user, given at login and handed to every request of the session: any, unless SessionClaims has
 * members.
 */
export type Claims = [keyof SessionClaims] extends [never]
  ? Readonly<Record<string, unknown>>
  : Readonly<SessionClaims>;

/** One login on one device, as the application sees it. Times are integer milliseconds since the epoch. */
export interface UserSession {
  /** 32 hex digits. Public: names the session in lists and calls, and is no credential. */
  readonly id: string;
  readonly userId: string;
  /** What the user was called at login, for operators; see LoginOptions. */
  readonly userName: string | null;
  /** How the user proved who they are, such as `password`; see LoginOptions. */
  readonly loginMethod: string | null;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  /** Address at login. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly claims: Claims;
  readonly createdAt: number;
  /** When the user proved who they are. */
  readonly authenticatedAt: number;
  /** When they last proved it again in this session (see SessionService.reauthenticate), or null. */
  readonly reauthenticatedAt: number | null;
  /** The operator who opened the session as this user (see OperatorService.impersonate), or null. */
  readonly impersonator: string | null;
  /** Bans of the account at the time of reading, those that have run out included. */
  readonly bans: readonly Ban[];
  /** The absolute end. Set at login, never moves. */
  readonly expiresAt: number;
  /** Last use that is recorded; equals createdAt until the token is used for the first time. */
  readonly lastSeenAt: number;
  /** The address that its token was last presented from, be it with a request that does not count as a use. */
  readonly lastIp: string | null;
}

/** How a session ended. */
export interface SessionEnd {
  readonly reason: EndReason;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Who ended it, as the caller named them: a user id, an operator, 'system'. */
  readonly by: string;
  /** Id of the session that took its place, for SESSION_REPLACED. */
  readonly replacedBy: string | null;
}

/** A session with its end, null while it lives. */
export interface SessionWithEnd extends UserSession {
  readonly end: SessionEnd | null;
}

/** The whole record, as the repository keeps it. `version` grows with every change of the verdict. */
export interface SessionRecord extends SessionWithEnd {
  readonly realm: string;
  readonly userKey: string;
  readonly version: number;
  /** Random text that the successors of this session's tokens are derived with. */
  readonly nonce: string;
  /** The tokens that are valid now. */
  readonly current: TokenPair;
  /** Earlier ones that are still in grace, oldest first. */
  readonly superseded: readonly SupersededPair[];
  /** Address that the current tokens were renewed from; null as long as they are those of the login. */
  readonly renewedFrom: string | null;
  /** From here on no token of this session can be accepted any more: it is overdue, and a sweeper ends it. */
  readonly usableUntil: number;
}

/** What a login stores. The repository adds the slot that the device policy decides on, and the bans of the account. */
export type NewSession = Omit<
  SessionRecord,
  'version' | 'end' | 'lastSeenAt' | 'lastIp' | 'superseded' | 'renewedFrom' | 'reauthenticatedAt' | 'bans'
>;

/** What a change of a live session may set. */
export type SessionPatch = Partial<
  Pick<
    SessionRecord,
    'current' | 'superseded' | 'renewedFrom' | 'usableUntil' | 'claims' | 'reauthenticatedAt' | 'authenticatedAt'
  >
>;

/** The parts of a record that an application may see. */
export function toSession(record: SessionRecord): SessionWithEnd {
  return {
    id: record.id,
    userId: record.userId,
    userName: record.userName,
    loginMethod: record.loginMethod,
    deviceType: record.deviceType,
    deviceId: record.deviceId,
    deviceName: record.deviceName,
    ip: record.ip,
    userAgent: record.userAgent,
    claims: record.claims,
    createdAt: record.createdAt,
    authenticatedAt: record.authenticatedAt,
    reauthenticatedAt: record.reauthenticatedAt,
    impersonator: record.impersonator,
    bans: record.bans,
    expiresAt: record.expiresAt,
    lastSeenAt: record.lastSeenAt,
    lastIp: record.lastIp,
    end: record.end,
  };
}

/**
 * Why a session ended. The reason that the record keeps is also the code that the holder of the token is told.
 *
 * - SESSION_LOGGED_OUT: its user ended it
 * - SESSION_REPLACED: a later login took its place under the device policy
 * - SESSION_KICKED: an operator ended it
 * - SESSION_REVOKED: a change of credentials, or revoke-all, ended it
 * - SESSION_EXPIRED: it reached its absolute end
 * - TOKEN_EXPIRED: its last token ran out unused
 * - SESSION_IDLE: nobody used it for the idle timeout
 * - ACCOUNT_DISABLED: a ban of the account ended it
 * - REFRESH_REUSED: a refresh token was used again after its grace, so it is in two hands
 */
export const END_REASONS = [
  'SESSION_LOGGED_OUT',
  'SESSION_REPLACED',
  'SESSION_KICKED',
  'SESSION_REVOKED',
  'SESSION_EXPIRED',
  'TOKEN_EXPIRED',
  'SESSION_IDLE',
  'ACCOUNT_DISABLED',
  'REFRESH_REUSED',
] as const;

export type EndReason = (typeof END_REASONS)[number];
