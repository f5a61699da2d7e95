import type { LiveSession } from './session-change.js';
import { SessionError } from './session-error.js';

/** A live session that may make room for a login; see SessionLimitError. Times are milliseconds since the epoch. */
export type LimitedSession = Pick<LiveSession, 'id' | 'deviceType' | 'deviceName' | 'createdAt' | 'lastSeenAt'>;

/**
 * Thrown for a login at the limit of a policy, after which the user may choose what makes room: `login` takes the choice as
 * `makeRoom`. Its answer, 409, carries the same. Show it to nobody who has not proved who they are.
 */
export class SessionLimitError extends SessionError {
  /**
   * @param limit most sessions that the policy allows
   * @param sessions of the user, the last used ones first, at most 100
   * @param ticket admits one login within two minutes, by whoever holds it; any other login of the account makes it void
   */
  constructor(
    readonly limit: number,
    readonly sessions: readonly LimitedSession[],
    readonly ticket: string,
  ) {
    super('SESSION_LIMIT_REACHED');
  }
}
