import type { Changes, Outcome } from '../changes/commit.js';
import type { MassEndClosing } from '../changes/mass-end-closing.js';
import type { ScopeChange } from '../model/mass-end.js';
import type { EndReason, SessionRecord } from '../model/session.js';
import type { EndedSession } from '../model/session-change.js';
import { type AccountRef, actorText, keysOf } from '../model/user-key.js';
import type { AccountEnd, SessionRepository } from '../ports/session-repository.js';

/** Ends sessions and waits until every node knows, even if nothing is left to end: it may repeat an unacknowledged call. */
export class SessionEnding {
  constructor(
    private readonly repository: SessionRepository,
    private readonly changes: Changes,
    private readonly closing: Pick<MassEndClosing, 'closeAcknowledged'>,
  ) {}

  /** Ends the session of a token's holder. If it has ended already, only ensures that every node knows. */
  async logOut({ id, version, userId, userKey, end }: SessionRecord): Promise<boolean> {
    if (!end) return this.endOne(id, 'SESSION_LOGGED_OUT', userId);
    // It may have ended with others, by a change of its account or of the realm.
    await this.changes.settle({ changed: [{ sessionId: id, version }], keys: [userKey], reach: 'acknowledged' });
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

  /**
   * Also ends those that the account opened as an impersonator.
   * @returns how many of its own it ended; null for more than can be counted at once
   */
  async endAll(
    account: AccountRef,
    reason: EndReason,
    by: string,
    options: { readonly except: string | null; readonly raiseEpoch: boolean; readonly comment?: string | null },
  ): Promise<number | null> {
    const end = { reason, by: actorText(by), comment: options.comment ?? null };
    const keys = keysOf(account);
    const { ended, change } = await this.changes.commit({
      holding: keys,
      transaction: () => this.repository.endAccountSessions(account, end, options),
      outcomeOf: (outcome) => ({ ...endsOf(outcome), keys, reach: 'acknowledged' }),
    });
    if (change) return this.close(change);
    return ended.filter((one) => one.reason === reason && one.userId === account.userId).length;
  }

  /** Ends every session of the realm. */
  async endEverything(by: string, comment: string | null): Promise<void> {
    const change = await this.changes.commit({
      holding: [],
      transaction: () => this.repository.endRealm({ reason: 'SESSION_KICKED', by: actorText(by), comment }),
      outcomeOf: (scope) => ({ scopes: [scope], reach: 'acknowledged' }),
    });
    this.close(change);
  }

  /** Follows an end of all sessions of an account or of the realm that every node knows of. */
  private close(change: ScopeChange): null {
    this.closing.closeAcknowledged(change);
    return null;
  }

  /** @param keys session ids */
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

/** Returns what a step on an account changed. */
export function endsOf({ ended, changed, change }: AccountEnd): Pick<Outcome, 'ended' | 'changed' | 'scopes'> {
  return { ended, changed, ...(change && { scopes: [change] }) };
}
