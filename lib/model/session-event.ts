import type { EndReason } from './session.js';

/**
 * What the audit trail tells of.
 * - LOGIN, LOGIN_REFUSED: a session opened, or did not because of a limit, a ban or an outdated proof
 * - LOGIN_FAILED: the application told of a login that failed; `detail.reason` says why, and the user is whoever the client
 *   said it is
 * - IMPERSONATION: an operator opened a session as the user; `actor` is the operator
 * - TOKEN_RENEWED: the tokens of a session were replaced by their successors
 * - REFRESH_REUSED: a refresh token came back after its grace; `ip` is where from, `detail.renewedFrom` where its
 *   successor had been taken to
 * - SESSION_ENDED: one session ended, with the reason
 * - ACCOUNT_SESSIONS_ENDED: someone ended all sessions of an account at once; `ended` says how many there were
 * - BULK_KICK: an operator ended the sessions that a selection or a filter held for, which `detail` names; once when it
 *   began, and once when it was done, when `ended` says how many there were
 * - KICK_WITHOUT_EFFECT: an operator tried to end a session that was not live
 * - REAUTHENTICATED: the user proved again who they are
 * - BANNED, BAN_LIFTED: an account was banned, or is not any more; `detail` holds the ban
 * - EXPORTED: an operator downloaded a list; `detail` says which, and how many lines it had
 */
export const SESSION_EVENT_TYPES = [
  'LOGIN',
  'LOGIN_REFUSED',
  'LOGIN_FAILED',
  'IMPERSONATION',
  'TOKEN_RENEWED',
  'REFRESH_REUSED',
  'SESSION_ENDED',
  'ACCOUNT_SESSIONS_ENDED',
  'BULK_KICK',
  'KICK_WITHOUT_EFFECT',
  'REAUTHENTICATED',
  'BANNED',
  'BAN_LIFTED',
  'EXPORTED',
] as const;

export type SessionEventType = (typeof SESSION_EVENT_TYPES)[number];

/** One line of the audit trail. */
export interface SessionEvent {
  /** 32 hex digits that sort by time. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly type: SessionEventType;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly reason: EndReason | null;
  /** Who did it: a user id, an operator, 'system'. */
  readonly actor: string;
  readonly ip: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly ended: number | null;
  /** What else belongs to this type of event, as plain JSON data. */
  readonly detail: Readonly<Record<string, unknown>> | null;
}
