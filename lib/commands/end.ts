import type { Changes } from '../changes/commit.js';
import type { EndReason, SessionRecord } from '../model/session.js';
import type { EndedSession } from '../model/session-change.js';
import { type AccountRef, actorText, keysOf } from '../model/user-key.js';
import type { SessionRepository } from '../ports/session-repository.js';

/** Ends sessions and waits until every node knows, even if nothing is left to end: it may repeat an unacknowledged call. */
export class SessionEnding {
  constructor(
    private readonly repository: SessionRepository,
    private readonly changes: Changes,
  ) {}

  /** Ends the session of a token's holder. If it has ended already, only ensures that every node knows. */
  async logOut({ id, version, userId, end }: SessionRecord): Promise<boolean> {
    if (!end) return this.endOne(id, 'SESSION_LOGGED_OUT', userId);
    await this.changes.settle({ changed: [{ sessionId: id, version }], reach: 'acknowledged' });
    return false;
  }

  /** @param comment the operator's words @returns true if this call ended it */
  async endOne(
    sessionId: string,
    reason: EndReason,
    by: string,
    { account, comment = null }: { readonly account?: AccountRef; readonly comment?: string | null } = {},
  ): Promise<boolean> {
    const end = { reason, by: actorText(by), comment };
    const transaction = () => this.repository.endSession(sessionId, end, account).then((one) => (one ? [one] : []));
    const ended = await this.end([sessionId], transaction);
    // A session found overdue has ended for another reason.
    return ended.some((one) => one.reason === reason);
  }

  /** Ends several sessions in one step, with one acknowledgement for all. @returns how many it ended */
  async endSome(sessionIds: readonly string[], reason: EndReason, by: string, comment: string | null): Promise<number> {
    const end = { reason, by: actorText(by), comment };
    const ended = await this.end(sessionIds, () => this.repository.endSessions(sessionIds, end));
    return ended.filter((one) => one.reason === reason).length;
  }

  /** Also ends those that the account opened as an impersonator. @returns how many of its own it ended */
  async endAll(
    account: AccountRef,
    reason: EndReason,
    by: string,
    options: { readonly except: string | null; readonly raiseEpoch: boolean; readonly comment?: string | null },
  ): Promise<number> {
    const end = { reason, by: actorText(by), comment: options.comment ?? null };
    const ended = await this.end(keysOf(account), () => this.repository.endAccountSessions(account, end, options));
    return ended.filter((one) => one.reason === reason && one.userId === account.userId).length;
  }

  /** @param keys session ids or account key */
  private end(
    keys: readonly string[],
    transaction: () => Promise<readonly EndedSession[]>,
  ): Promise<readonly EndedSession[]> {
    return this.changes.commit({
      holding: keys,
      transaction,
      outcomeOf: (ended) => {
        const known = new Set(ended.map(({ sessionId }) => sessionId));
        return { ended, keys: keys.filter((key) => !known.has(key)), reach: 'acknowledged' };
      },
    });
  }
}
