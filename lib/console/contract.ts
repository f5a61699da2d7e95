import type { EndItem, SessionItem } from '../admin/routes/session-item.js';

/** What the routes of the admin module answer. Times are ISO 8601. */

export interface ConsoleUrls {
  readonly login: string;
  readonly refresh: string | null;
  readonly logout: string | null;
  readonly reauthenticate: string | null;
}

/** The content of the page's `session-console` meta element, and where the page is. */
export interface PageConfig {
  /** Path of the admin routes as the browser sees it, without a trailing slash. */
  readonly base: string;
  readonly urls: ConsoleUrls;
  readonly title: string;
  /** Logins are kept in cookies. */
  readonly cookies: boolean;
}

export interface Rights {
  readonly viewAddresses: boolean;
  readonly kick: boolean;
  readonly endEverything: boolean;
  readonly ban: boolean;
  readonly impersonate: boolean;
  readonly export: boolean;
}

export interface Operator {
  readonly userId: string;
  readonly username: string | null;
  readonly rights: Rights;
}

export type { SessionItem };

export type PastSession = SessionItem & EndItem;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
  readonly prevCursor: string | null;
  readonly total?: number;
  readonly totalIsEstimate?: boolean;
  readonly totalIsMinimum?: boolean;
}

export interface OnlineUser {
  readonly userId: string;
  readonly username: string | null;
  readonly avatarUrl: string | null;
  readonly sessions: number;
  readonly lastSeenAt: string | null;
  readonly deviceTypes: readonly string[];
}

export interface BanItem {
  /** Null: the whole account. */
  readonly service: string | null;
  readonly level: number | null;
  readonly reason: string | null;
  readonly until: string | null;
  readonly at: string | null;
  readonly by: string | null;
}

export interface UserSummary {
  readonly userId: string;
  readonly username: string | null;
  readonly avatarUrl: string | null;
  readonly bans: readonly BanItem[];
  readonly live: number;
}

export interface EventItem {
  readonly id: string | number;
  readonly at: string;
  readonly type: string;
  readonly userId: string | null;
  readonly username: string | null;
  readonly sessionId: string | null;
  readonly reason: string | null;
  readonly actor: string | null;
  readonly ip: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly ended: number | null;
  readonly detail: unknown;
}

export const EVENT_TYPES = [
  'LOGIN',
  'LOGIN_REFUSED',
  'LOGIN_FAILED',
  'IMPERSONATION',
  'TOKEN_RENEWED',
  'REFRESH_REUSED',
  'SESSION_ENDED',
  'ACCOUNT_SESSIONS_ENDED',
  'REALM_SESSIONS_ENDED',
  'BULK_KICK',
  'KICK_WITHOUT_EFFECT',
  'REAUTHENTICATED',
  'CLAIMS_CHANGED',
  'BANNED',
  'BAN_LIFTED',
  'EXPORTED',
] as const;

export interface Sighting {
  readonly sessionId: string;
  readonly userId: string;
  readonly username: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly impersonator: string | null;
  readonly ip: string | null;
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface FailedLogins {
  readonly userId?: string | null;
  readonly username?: string | null;
  readonly ip?: string | null;
  readonly count: number;
  readonly accounts?: number;
  readonly addresses?: number;
  readonly lastAt: string;
  readonly burst: boolean;
}

export interface OnlineCount {
  readonly sessions: number;
  readonly users: number | null;
  readonly isEstimate: boolean;
  readonly byDeviceType: readonly { readonly deviceType: string | null; readonly sessions: number }[];
}

export interface StatsStep {
  readonly at: string;
  readonly online: number | null;
  readonly logins: number;
  readonly failedLogins: number;
  readonly ends: Readonly<Record<string, number>>;
}

export interface Stats {
  readonly at: string;
  /** Null where it takes too long to count them. */
  readonly online: OnlineCount | null;
  readonly step: 'hour' | 'day';
  readonly series: readonly StatsStep[];
}

/** Words that the server wants typed before it ends everything. */
export const END_EVERYTHING = 'end everything';

/** A line of the answer to a kick of many. */
export interface KickLine {
  readonly matching?: number;
  readonly matchingIsMinimum?: boolean;
  readonly done?: number;
  readonly ended?: number;
  readonly pending?: number;
  readonly finished?: boolean;
  readonly error?: string;
}

/** The answer of the login route, and of an impersonation. */
export interface TokenAnswer {
  readonly accessToken: string;
  readonly expiresIn?: number;
  readonly refreshToken?: string;
  readonly refreshExpiresIn?: number;
  readonly sessionId?: string;
}
