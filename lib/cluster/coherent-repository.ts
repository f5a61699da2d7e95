import type { AccountRecord, AccountState, Ban } from '../model/ban.js';
import type { SessionChange } from '../ports/node-registry.js';
import { endsOf } from '../ports/verification-cache.js';
import type {
  Activity,
  BanOutcome,
  ChangeOptions,
  ChangedSession,
  LoginOutcome,
  LoginRequest,
  SessionRepository,
} from '../ports/session-repository.js';
import type { EndRequest, SessionDecision } from '../model/session-change.js';
import type { SessionRecord } from '../model/session.js';
import type { EndedSession } from '../model/tombstone.js';
import { type AccountRef, keysOf } from '../model/user-key.js';
import type { CacheCoherence } from './cache-coherence.js';

/** What a call did to sessions. */
interface Changes {
  readonly changes?: readonly SessionChange[];
  readonly ended?: readonly EndedSession[];
}

/**
 * A repository beside a cache. While a change is under way no copy of what it may change is used, and once its outcome is
 * known, copies from before are gone. Without the first half, a second end of the same session, which finds nothing left to
 * end, would be acknowledged while the copy that the first is about to remove still answers.
 */
export class CoherentRepository implements SessionRepository {
  constructor(
    private readonly inner: SessionRepository,
    private readonly coherence: CacheCoherence,
  ) {}

  findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]> {
    return this.inner.findSessions(ids);
  }

  readAccount(account: AccountRef): Promise<AccountRecord> {
    return this.inner.readAccount(account);
  }

  listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    return this.inner.listLiveSessions(account);
  }

  recordActivity(activities: readonly Activity[]): Promise<void> {
    return this.inner.recordActivity(activities);
  }

  login(request: LoginRequest): Promise<LoginOutcome> {
    return this.holding(
      request.account.key,
      () => this.inner.login(request),
      ({ ended }) => ({ ended }),
    );
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    options?: ChangeOptions<T>,
  ): Promise<ChangedSession<T>> {
    return this.holding(
      id,
      () => this.inner.changeSession(id, decide, options),
      ({ record, changed, ended }) => {
        if (ended) return { ended: [ended] };
        return record && changed ? { changes: [{ sessionId: id, version: record.version }] } : {};
      },
    );
  }

  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    return this.holding(
      id,
      () => this.inner.endSession(id, end, account),
      (ended) => (ended ? { ended: [ended] } : {}),
    );
  }

  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]> {
    return this.holding(
      ids,
      () => this.inner.endSessions(ids, end),
      (ended) => ({ ended }),
    );
  }

  endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    return this.holding(
      keysOf(account),
      () => this.inner.endAccountSessions(account, end, options),
      (ended) => ({ ended }),
    );
  }

  ban(account: AccountRef, ban: Omit<Ban, 'at'>, endSessions: boolean): Promise<BanOutcome> {
    return this.holding(
      keysOf(account),
      () => this.inner.ban(account, ban, endSessions),
      (outcome) => outcome,
    );
  }

  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null> {
    return this.holding(
      account.key,
      () => this.inner.liftBan(account, service, by),
      (outcome) => outcome ?? {},
    );
  }

  /** What is overdue is refused by the clock, whoever has a copy. */
  async endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const ended = await this.inner.endOverdueSessions(limit);
    this.coherence.forget(endsOf(ended), ended);
    return ended;
  }

  /** Of an idle session the database is asked, whoever has a copy. */
  async endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]> {
    const ended = await this.inner.endIdleSessions(idleMs, slackMs, limit);
    this.coherence.forget(endsOf(ended), ended);
    return ended;
  }

  private async holding<T>(
    keys: string | readonly string[],
    work: () => Promise<T>,
    changesOf: (result: T) => Changes,
  ): Promise<T> {
    const releases = [keys].flat().map((key) => this.coherence.hold(key));
    let isKnown = false;
    try {
      const result = await work();
      const { changes = [], ended = [] } = changesOf(result);
      this.coherence.forget([...changes, ...endsOf(ended)], ended);
      isKnown = true;
      return result;
    } finally {
      for (const release of releases) release(isKnown);
    }
  }
}
