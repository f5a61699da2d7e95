import type { Ban } from '../core/ban.js';
import type { SessionChange } from '../core/membership.js';
import type {
  AccountState,
  Activity,
  BanOutcome,
  ChangedSession,
  EndRequest,
  LoginOutcome,
  LoginRequest,
  SessionDecision,
  SessionRepository,
} from '../core/session-repository.js';
import type { EndedSession, SessionRecord } from '../core/session.js';
import type { AccountRef } from '../core/user-key.js';
import type { CacheCoherence } from './cache-coherence.js';

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

  readEpoch(account: AccountRef): Promise<number> {
    return this.inner.readEpoch(account);
  }

  readAccount(account: AccountRef): Promise<AccountState> {
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
      ({ ended }) => ended,
    );
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    budgetMs?: number,
  ): Promise<ChangedSession<T>> {
    return this.holding(
      id,
      () => this.inner.changeSession(id, decide, budgetMs),
      ({ record, changed }) => (record && changed ? [{ sessionId: id, version: record.version }] : []),
    );
  }

  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    return this.holding(
      id,
      () => this.inner.endSession(id, end, account),
      (ended) => (ended ? [ended] : []),
    );
  }

  endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    return this.holding(
      account.key,
      () => this.inner.endAccountSessions(account, end, options),
      (ended) => ended,
    );
  }

  ban(account: AccountRef, ban: Omit<Ban, 'at'>, endSessions: boolean): Promise<BanOutcome> {
    return this.holding(
      account.key,
      () => this.inner.ban(account, ban, endSessions),
      ({ ended, changed }) => [...ended, ...changed],
    );
  }

  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null> {
    return this.holding(
      account.key,
      () => this.inner.liftBan(account, service, by),
      (outcome) => outcome?.changed ?? [],
    );
  }

  /** What is overdue is refused by the clock, whoever has a copy. */
  async endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const ended = await this.inner.endOverdueSessions(limit);
    this.coherence.forget(ended);
    return ended;
  }

  /** Of an idle session the database is asked, whoever has a copy. */
  async endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]> {
    const ended = await this.inner.endIdleSessions(idleMs, slackMs, limit);
    this.coherence.forget(ended);
    return ended;
  }

  private async holding<T>(
    key: string,
    work: () => Promise<T>,
    changesOf: (result: T) => readonly SessionChange[],
  ): Promise<T> {
    const release = this.coherence.hold(key);
    let isKnown = false;
    try {
      const result = await work();
      this.coherence.forget(changesOf(result));
      isKnown = true;
      return result;
    } finally {
      release(isKnown);
    }
  }
}
