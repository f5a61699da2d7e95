import type { Ban } from './ban.js';
import type { CopiedPair, Superseded, SupersededPair, TokenPair } from './token-pair.js';

/**
 * Claims of the application. Extend by declaration merging to type `login`, `updateClaims`, `CurrentSessionUser`,
 * sessions, policies and hooks: `declare module 'nestjs-latchkey' { interface SessionClaims { roles: string[] } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- its members are the application's
export interface SessionClaims {}

/**
 * Plain JSON data about the user, given at login and attached to every request of the session. Any object, unless
 * SessionClaims has members.
 */
export type Claims = [keyof SessionClaims] extends [never]
  ? Readonly<Record<string, unknown>>
  : Readonly<SessionClaims>;

/** Claims to change: each takes the place of the claim of its name, whole; null removes it. */
export type ClaimsPatch = [keyof SessionClaims] extends [never]
  ? Readonly<Record<string, unknown>>
  : { readonly [Name in keyof SessionClaims]?: SessionClaims[Name] | null };

/**
 * One login on one device, as every verified request knows it. Times are integer milliseconds since the epoch. Copies of a
 * session hold no addresses and no user agent: `SessionService.find` reads them.
 */
export interface UserSession {
  /** 32 hex digits. Public: identifies the session in lists and calls, and is not a credential. */
  readonly id: string;
  readonly userId: string;
  /** Name of the user at login, for operators; see LoginOptions. */
  readonly userName: string | null;
  /** Method of the login, such as `password`; see LoginOptions. */
  readonly loginMethod: string | null;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly claims: Claims;
  readonly createdAt: number;
  /** Time at which the user proved their identity for the login. */
  readonly authenticatedAt: number;
  /** Last reauthentication in this session (see SessionService.reauthenticate), or null. */
  readonly reauthenticatedAt: number | null;
  /**
   * Methods of the last authentication, by login or reauthentication, as RFC 8176 names them: `['pwd', 'otp']`. Empty if the
   * application named none, and after `revokeSessions` that kept the session.
   */
  readonly amr: readonly string[];
  /** Operator who opened the session as this user (see OperatorService.impersonate), or null. */
  readonly impersonator: string | null;
  /** True if the login is remembered: its cookies outlive the browser (see LoginOptions). */
  readonly persistent: boolean;
  /** Bans of the account when the session was read, expired ones included. */
  readonly bans: readonly Ban[];
  /** Absolute end. Set at login, never moved. */
  readonly expiresAt: number;
  /** Last recorded use; equals createdAt until the first one. */
  readonly lastSeenAt: number;
  /** Idle timeout that the login was given (see SessionLife), in milliseconds; null for the module's. */
  readonly idleMs: number | null;
}

/** A session with what only the database has of it. */
export interface SessionDetails extends UserSession {
  /** Client address of the login. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Address that last presented the session's token, requests that do not count as a use included. */
  readonly lastIp: string | null;
  /** Lifetime of unused refresh tokens that the login was given, in milliseconds; null for the module's. */
  readonly refreshMs: number | null;
}

/** End of a session. */
export interface SessionEnd {
  readonly reason: EndReason;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Actor as the caller named them: a user id, an operator, or 'system'. */
  readonly by: string;
  /** Id of the replacing session, for SESSION_REPLACED. */
  readonly replacedBy: string | null;
}

/** A session with its end, null while it is live. */
export interface SessionWithEnd extends SessionDetails {
  readonly end: SessionEnd | null;
}

/** Part of a session's row that access tokens are verified by. `version` grows with every change that can affect the verdict. */
export interface CopiedRecord extends UserSession {
  readonly realm: string;
  readonly userKey: string;
  readonly version: number;
  readonly end: SessionEnd | null;
  /** Current generation of tokens. */
  readonly current: CopiedPair;
  /** Earlier generations still in grace, oldest first. */
  readonly superseded: readonly Superseded<CopiedPair>[];
  /** Time from which every token of the session is expired. The sweep ends the session after it. */
  readonly usableUntil: number;
  /** Epoch of the account that it was opened in. A mass end of that epoch ends it (see MassEnd). */
  readonly accountEpoch: number;
  /** The same of the realm. */
  readonly realmEpoch: number;
  /** Version of the account when the record was read. Grows with every mass end and every change of bans. */
  readonly accountVersion: number;
}

/** The session's row. */
export interface SessionRecord extends SessionWithEnd, CopiedRecord {
  /** Random text from which successors of the session's tokens are derived. */
  readonly nonce: string;
  readonly current: TokenPair;
  readonly superseded: readonly SupersededPair[];
  /** Address that renewed to the current tokens; null for those of the login. */
  readonly renewedFrom: string | null;
}

/** Row of a login. The repository adds the slot that the device policy picks, and what the account says. */
export type NewSession = Omit<
  SessionRecord,
  | 'version'
  | 'end'
  | 'lastSeenAt'
  | 'lastIp'
  | 'superseded'
  | 'renewedFrom'
  | 'reauthenticatedAt'
  | 'bans'
  | 'accountEpoch'
  | 'realmEpoch'
  | 'accountVersion'
>;

/** Columns that a change of a live session may set. */
export type SessionPatch = Partial<
  Pick<
    SessionRecord,
    | 'current'
    | 'superseded'
    | 'renewedFrom'
    | 'usableUntil'
    | 'claims'
    | 'reauthenticatedAt'
    | 'authenticatedAt'
    | 'amr'
  >
>;

/** Picks the parts of a record that an application may see. */
export function toDetails(record: SessionRecord): SessionWithEnd {
  const { ip, userAgent, lastIp, refreshMs, end } = record;
  return { ...toSession(record), ip, userAgent, lastIp, refreshMs, end };
}

/** Picks what an application may see of the session of a request. */
export function toSession(record: CopiedRecord): UserSession {
  return {
    id: record.id,
    userId: record.userId,
    userName: record.userName,
    loginMethod: record.loginMethod,
    deviceType: record.deviceType,
    deviceId: record.deviceId,
    deviceName: record.deviceName,
    claims: record.claims,
    createdAt: record.createdAt,
    authenticatedAt: record.authenticatedAt,
    reauthenticatedAt: record.reauthenticatedAt,
    amr: record.amr,
    impersonator: record.impersonator,
    persistent: record.persistent,
    bans: record.bans,
    expiresAt: record.expiresAt,
    lastSeenAt: record.lastSeenAt,
    idleMs: record.idleMs,
  };
}

/**
 * Reasons for the end of a session. The record stores the same code that the token's holder gets.
 *
 * - SESSION_LOGGED_OUT: the user ended it
 * - SESSION_REPLACED: a later login took its place under the device policy
 * - SESSION_KICKED: an operator ended it
 * - SESSION_REVOKED: a change of credentials, or revoke-all, ended it
 * - SESSION_EXPIRED: it reached its absolute end
 * - TOKEN_EXPIRED: its last token expired unused
 * - SESSION_IDLE: it was not used for the idle timeout
 * - ACCOUNT_DISABLED: a ban of the account ended it
 * - REFRESH_REUSED: a refresh token was reused after its grace, so two parties hold it
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

export function isEndReason(value: unknown): value is EndReason {
  return (END_REASONS as readonly unknown[]).includes(value);
}
