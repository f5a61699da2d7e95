import type { EndReason, SessionRecord } from '../model/session.js';
import type { LifecycleEvents } from '../model/lifecycle-event.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { EndedSession } from '../model/tombstone.js';
import { type AccountRef, actorText, keysOf } from '../model/user-key.js';
import { type ChangeAcknowledgement, endsOf } from '../ports/verification-cache.js';

/**
 * Ends sessions: records the end, then waits until it is true everywhere. It waits though there was nothing left to end: the
 * call may be the repetition of one that could not be acknowledged.
 */
export class SessionEnding {
  constructor(
    private readonly repository: SessionRepository,
    private readonly acknowledgement: ChangeAcknowledgement,
    private readonly events: LifecycleEvents,
  ) {}

  /** Ends the session of a token's holder. For one that has ended already, only makes sure that every node knows. */
  async logOut(holder: SessionRecord): Promise<boolean> {
    if (holder.end) {
      await this.acknowledgement.acknowledged({ changes: [{ sessionId: holder.id, version: holder.version }] });
      return false;
    }
    return this.endOne(holder.id, 'SESSION_LOGGED_OUT', holder.userId);
  }

  /** @param comment why, in words @returns whether this call ended it */
  async endOne(
    sessionId: string,
    reason: EndReason,
    by: string,
    { account, comment = null }: { readonly account?: AccountRef; readonly comment?: string | null } = {},
  ): Promise<boolean> {
    const ended = await this.repository.endSession(sessionId, { reason, by: actorText(by), comment }, account);
    await this.settle(ended ? [ended] : [], ended ? [] : [sessionId]);
    // A session that turned out to be overdue ended by itself.
    return ended?.reason === reason;
  }

  /** Ends several sessions in one step, with one wait for all of them. @returns how many it ended */
  async endSome(sessionIds: readonly string[], reason: EndReason, by: string, comment: string | null): Promise<number> {
    const ended = await this.repository.endSessions(sessionIds, { reason, by: actorText(by), comment });
    const known = new Set(ended.map(({ sessionId }) => sessionId));
    await this.settle(
      ended,
      sessionIds.filter((id) => !known.has(id)),
    );
    return ended.filter((one) => one.reason === reason).length;
  }

  /**
   * Ends the sessions of an account but one, and those that it opened as others.
   * @returns how many of its own it ended
   */
  async endAll(
    account: AccountRef,
    reason: EndReason,
    by: string,
    options: { readonly except: string | null; readonly raiseEpoch: boolean; readonly comment?: string | null },
  ): Promise<number> {
    const { comment = null } = options;
    const ended = await this.repository.endAccountSessions(account, { reason, by: actorText(by), comment }, options);
    await this.settle(ended, keysOf(account));
    return ended.filter((one) => one.reason === reason && one.userId === account.userId).length;
  }

  /**
   * Tells of ends that are recorded, and waits until they are true everywhere.
   * @param keys sessions, and accounts, that others may have ended something of; see ChangeNotice
   */
  async settle(ended: readonly EndedSession[], keys: readonly string[]): Promise<void> {
    for (const { sessionId, userId, reason } of ended) {
      this.events.emit({ type: 'session.ended', sessionId, userId, reason });
    }
    await this.acknowledgement.acknowledged({ changes: endsOf(ended), keys });
  }
}
