import type { EndReason } from './end-reason.js';

/** Plain JSON data about the user, given at login and handed to every request of the session. */
export type Claims = Readonly<Record<string, unknown>>;

/** One login on one device, as the application sees it. Times are integer milliseconds since the epoch. */
export interface Session {
  /** 32 hex digits. Public: names the session in lists and calls, and is no credential. */
  readonly id: string;
  readonly userId: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  /** Address at login. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly claims: Claims;
  readonly createdAt: number;
  /** When the user proved who they are; not later than createdAt. */
  readonly authenticatedAt: number;
  /** The absolute end. Set at login, never moves. */
  readonly expiresAt: number;
  /** Last use that is recorded; equals createdAt until the token is used for the first time. */
  readonly lastSeenAt: number;
  /** Address of that use. */
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
export interface SessionWithEnd extends Session {
  readonly end: SessionEnd | null;
}

/** The whole record, as the repository keeps it. `version` grows with every change of the verdict. */
export interface SessionRecord extends SessionWithEnd {
  readonly realm: string;
  readonly userKey: string;
  readonly version: number;
  /** Generation of the current access token. */
  readonly generation: number;
  /** SHA-256 of the current access token, 64 hex digits. */
  readonly accessHash: string;
  readonly accessExpiresAt: number;
  /** From here on no token of this session can be accepted any more: it is overdue, and a sweeper ends it. */
  readonly usableUntil: number;
}

/** What a login stores. The repository adds the slot that the device policy decides on. */
export interface NewSession extends Omit<SessionRecord, 'version' | 'end' | 'lastSeenAt' | 'lastIp' | 'generation'> {
  /** Name of the key, and the nonce, that the successors of its tokens are derived with. */
  readonly keyId: string;
  readonly nonce: string;
}

/** One session that a call ended, with the version that the end gave its record. */
export interface EndedSession {
  readonly sessionId: string;
  readonly reason: EndReason;
  readonly version: number;
}

/** The parts of a record that an application may see. */
export function toSession(record: SessionRecord): SessionWithEnd {
  return {
    id: record.id,
    userId: record.userId,
    deviceType: record.deviceType,
    deviceId: record.deviceId,
    deviceName: record.deviceName,
    ip: record.ip,
    userAgent: record.userAgent,
    claims: record.claims,
    createdAt: record.createdAt,
    authenticatedAt: record.authenticatedAt,
    expiresAt: record.expiresAt,
    lastSeenAt: record.lastSeenAt,
    lastIp: record.lastIp,
    end: record.end,
  };
}
