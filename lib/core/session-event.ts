import type { EndReason } from './end-reason.js';

/**
 * What the audit trail tells of.
 * - LOGIN, LOGIN_REFUSED: a session opened, or did not because of a limit or an outdated ticket
 * - SESSION_ENDED: one session ended, with the reason
 * - ACCOUNT_SESSIONS_ENDED: someone ended all sessions of an account at once; `ended` says how many there were
 * - KICK_WITHOUT_EFFECT: an operator tried to end a session that was not live
 */
export type SessionEventType =
  'LOGIN' | 'LOGIN_REFUSED' | 'SESSION_ENDED' | 'ACCOUNT_SESSIONS_ENDED' | 'KICK_WITHOUT_EFFECT';

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
}
