import type { Clock } from '../core/clock.js';
import { SynchronizedClock } from '../core/clock.js';
import type { Membership, PollResult, SessionChange } from '../core/membership.js';
import { EndPendingError } from '../core/session-error.js';
import type { SessionRecord } from '../core/session.js';
import type { EndConfirmation, VerificationCache } from '../core/verification-cache.js';
import { HeldKeys } from './held-keys.js';
import type { NearCache } from './near-cache.js';
import { RecentChanges } from './recent-changes.js';

export interface CoherenceSettings {
  /** 32 hex digits, new for every start. */
  readonly nodeId: string;
  /** Null: this node never caches. */
  readonly nearCache: NearCache | null;
  /** D: with polls working, no copy is used if the last one began longer ago. */
  readonly pollFreshnessMs: number;
  /** max(D, G): the same while polls fail. A node that has been silent for this long uses no copy. */
  readonly silenceMs: number;
  /** A: no copy is used that was read longer ago. */
  readonly copyAgeMs: number;
  /** How long an end waits for other nodes before it is reported as pending. */
  readonly confirmMs: number;
}

/** Covers the error of the nodes' readings of the database clock. */
const CLOCK_MARGIN_MS = 1000;
/** Changes are read again for this long: a slow transaction commits them late, with an early time. */
const LATE_COMMIT_MS = 15_000;
const CONFIRM_POLL_MS = 50;

/**
 * Decides when this node may answer from its near cache, and when an end is true on all nodes (architecture.md,
 * "Freshness"). Without messages between nodes the rule is: a node caches only while it is the only one. It announces
 * caching in its row before it starts, and looks for others after that; a node that joins writes its row and then looks
 * for announcements. One of the two always sees the other, so a newcomer's ends wait until no cache can hold them.
 */
export class CacheCoherence implements VerificationCache, EndConfirmation {
  private readonly recent: RecentChanges;
  /** A change whose outcome is not known is in the change log by the end of this time, if it happened. */
  private readonly held = new HeldKeys(LATE_COMMIT_MS);
  /** Caching is in this node's row. */
  private announced = false;
  /** Database time from which on reads may be kept; null while this node may not cache. */
  private activeSince: number | null = null;
  /** No other node was caching when this one had last joined, and none can begin while this one is there. */
  private established = false;
  private others: PollResult['others'] = [];
  private pollStartedAt = -Infinity;
  private wallAtPoll = 0;
  private failing = false;
  private polling: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly membership: Membership,
    private readonly clock: Clock,
    private readonly settings: CoherenceSettings,
  ) {
    this.recent = new RecentChanges(settings.copyAgeMs + LATE_COMMIT_MS, clock.monotonic());
  }

  get caching(): boolean {
    return this.activeSince !== null && this.isFresh();
  }

  get(sessionId: string): SessionRecord | null {
    if (!this.caching) return null;
    const copy = this.settings.nearCache!.get(sessionId);
    if (!copy || this.clock.now() - copy.readAt >= this.settings.copyAgeMs) return null;
    return this.isHeld(copy.record) ? null : copy.record;
  }

  put(record: SessionRecord, readAt: number): void {
    if (this.activeSince === null || readAt < this.activeSince) return;
    if (record.version < this.recent.versionOf(record.id) || this.isHeld(record)) return;
    this.settings.nearCache!.set({ record, readAt });
  }

  /**
   * Uses no copy of a session, or of the sessions of an account, until released.
   * @param key the id of the session or the key of the account
   * @returns call it with whether the outcome of the change is known
   */
  hold(key: string): (isKnown: boolean) => void {
    this.held.hold(key);
    return (isKnown) => this.held.release(key, isKnown, this.clock.monotonic());
  }

  /** Forgets copies that are older than these versions. Other nodes hear of the changes by the change log. */
  forget(changes: readonly SessionChange[]): void {
    for (const change of changes) this.apply(change);
  }

  async confirm(changes: readonly SessionChange[]): Promise<void> {
    this.forget(changes);
    const deadline = this.clock.monotonic() + this.settings.confirmMs;
    while (!this.isEstablished()) {
      await this.poll().catch(() => undefined);
      if (this.isEstablished()) return;
      if (this.clock.monotonic() >= deadline) throw new EndPendingError(this.effectiveBy());
      await new Promise((resolve) => setTimeout(resolve, CONFIRM_POLL_MS));
    }
  }

  /** One look at the shared state; concurrent calls share it. Rejects if the database cannot be read. */
  poll(): Promise<void> {
    return (this.polling ??= this.pollOnce().finally(() => (this.polling = null)));
  }

  /** Uses no copy from here on and leaves. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.deactivate();
    await this.polling?.catch(() => undefined);
    await this.membership.leave(this.settings.nodeId);
  }

  private async pollOnce(): Promise<void> {
    if (this.stopped) return;
    const startedAt = this.clock.monotonic();
    const wall = Date.now();
    // After a gap, other nodes may have taken this one for gone; what was known of them is void.
    if (startedAt - this.pollStartedAt >= this.settings.silenceMs) this.established = false;
    const { nodeId } = this.settings;
    const since = this.announced ? this.clock.now() - LATE_COMMIT_MS : null;
    let result: PollResult;
    try {
      result = await this.membership.poll({ id: nodeId, caching: this.announced }, since);
    } catch (error) {
      this.failing = true;
      throw error;
    }
    if (this.stopped) return;
    const gap = startedAt - this.pollStartedAt;
    if (this.clock instanceof SynchronizedClock) {
      this.clock.synchronize(result.databaseTime, result.measuredAt);
    }
    this.failing = false;
    this.pollStartedAt = startedAt;
    this.wallAtPoll = wall;
    this.others = result.others.filter(
      (other) => other.renewedAt + this.settings.silenceMs + CLOCK_MARGIN_MS > result.databaseTime,
    );
    if (gap >= LATE_COMMIT_MS || !result.wasRegistered) this.deactivate();
    if (!result.wasRegistered) this.established = false;
    if (!this.others.some((other) => other.caching)) this.established = true;
    for (const change of result.changes) this.apply(change);
    this.follow(since !== null);
  }

  /** Begins or stops caching, after a poll that announced it or did not. */
  private follow(announcedInPoll: boolean): void {
    const alone = this.settings.nearCache !== null && this.others.length === 0;
    if (!alone) {
      this.deactivate();
    } else if (announcedInPoll && this.announced) {
      this.activeSince ??= this.clock.now();
    } else {
      this.announced = true;
    }
  }

  private deactivate(): void {
    this.announced = false;
    this.activeSince = null;
    this.settings.nearCache?.clear();
  }

  private apply(change: SessionChange): void {
    const { nearCache } = this.settings;
    this.recent.add(change, this.clock.monotonic());
    const copy = nearCache?.get(change.sessionId);
    if (copy && copy.record.version < change.version) nearCache?.delete(change.sessionId);
  }

  private isHeld({ id, userKey }: SessionRecord): boolean {
    const now = this.clock.monotonic();
    return this.held.has(id, now) || this.held.has(userKey, now);
  }

  private isEstablished(): boolean {
    return this.established && this.clock.monotonic() - this.pollStartedAt < this.settings.silenceMs;
  }

  /** Polls are recent enough, and no clock has jumped as it does when a machine was suspended. */
  private isFresh(): boolean {
    const age = this.clock.monotonic() - this.pollStartedAt;
    const limit = this.failing ? this.settings.silenceMs : this.settings.pollFreshnessMs;
    return age <= limit && Math.abs(Date.now() - this.wallAtPoll - age) < CLOCK_MARGIN_MS;
  }

  private effectiveBy(): number {
    const last = Math.max(0, ...this.others.filter((other) => other.caching).map((other) => other.renewedAt));
    const from = last > 0 ? last : this.clock.now();
    return from + this.settings.silenceMs + CLOCK_MARGIN_MS;
  }
}
