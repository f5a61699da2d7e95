import type { Clock } from '../ports/clock.js';
import type { EndsCheck } from '../ports/known-changes.js';
import type { NodeRegistry, SessionChange } from '../ports/node-registry.js';
import type { CopiedRecord, SessionEnd, SessionRecord } from '../model/session.js';
import { type EndedSession, type Tombstone, isTombstone, tombstoneOf } from '../model/session-change.js';
import type { ChangeNotice, RememberedRecord, SharedCopies, VerificationCache } from '../ports/verification-cache.js';
import { userKey as keyOf } from '../model/user-key.js';
import { ChangeBus } from './change-bus.js';
import { AcknowledgementCollector } from './acknowledgement-collector.js';
import { NodeWatch } from './node-watch.js';
import { AgingCopies, type Copy, type KeptCopy, type NearCache } from './near-cache.js';
import { NodePresence, type PresenceSettings } from './node-presence.js';
import { FinalEnds } from './final-ends.js';
import { HeldKeys, RecentChanges, UNKNOWN_MS, changeWindow } from './recent-changes.js';
import { ScopeChanges } from './scope-changes.js';
import type { SharedBackend } from './shared-cache.js';

/** Tolerated lead of another node's reading of the database's clock. */
const CLOCK_MARGIN_MS = 5000;

/** Decides when a copy, near or shared, may be used, and when a change has reached all nodes (architecture.md, "Freshness"). */
export class CacheCoherence implements VerificationCache, SharedCopies {
  readonly presence: NodePresence;
  /** Receives how long a change waited for the other nodes, and if all acknowledged in time; null if nothing is timed. */
  observer: ((millis: number, isAcknowledged: boolean) => void) | null = null;
  readonly ends: FinalEnds;
  /** Monotonic time before which no copy that was read is used any more. */
  private distrustedAt = -Infinity;
  private readonly recent: RecentChanges;
  private readonly scopes: ScopeChanges;
  private readonly held = new HeldKeys(UNKNOWN_MS);
  private readonly aging: AgingCopies;
  private readonly bus: ChangeBus | null;
  private readonly acknowledgement: AcknowledgementCollector;
  private readonly watch: NodeWatch;

  constructor(
    private readonly parts: Pick<PresenceSettings, 'nodeId' | 'pollFreshnessMs' | 'silenceMs'> & {
      readonly nodeRegistry: NodeRegistry;
      readonly clock: Clock;
      /** Null if this node keeps no copies of its own. */
      readonly nearCache: NearCache | null;
      /** Null if the nodes share no cache and exchange no messages. */
      readonly shared: SharedBackend | null;
      /** A: copies read longer ago are not used. */
      readonly copyAgeMs: number;
      /** Time limit for other nodes to acknowledge, after which an end is reported as pending. */
      readonly acknowledgeMs: number;
      readonly endsCheck: EndsCheck;
      /** Most changed sessions that are remembered, twice. Default: 500,000. */
      readonly mostChanges?: number;
    },
  ) {
    const { clock, nodeId, nearCache, shared, copyAgeMs, silenceMs } = parts;
    const windowMs = changeWindow(copyAgeMs);
    this.recent = new RecentChanges(windowMs, clock.monotonic(), parts.mostChanges);
    this.ends = new FinalEnds({ clock, keepMs: windowMs, check: parts.endsCheck });
    this.scopes = new ScopeChanges(windowMs, clock.monotonic());
    this.aging = new AgingCopies(copyAgeMs, clock);
    this.bus = shared && new ChangeBus({ nodeId, messenger: shared.messenger, onNotice: this.hear.bind(this) });
    this.watch = new NodeWatch(clock, silenceMs);
    this.acknowledgement = new AcknowledgementCollector({ ...parts, bus: this.bus, watch: this.watch });
    this.presence = new NodePresence({
      ...parts,
      watch: this.watch,
      canCache: nearCache !== null || shared !== null,
      messaging: shared !== null,
      windowMs,
      handlers: {
        isConnected: () => shared?.messenger.isConnected ?? false,
        onPoll: () => this.held.beginPoll(),
        onPolled: (poll, { changes, scopes }) => {
          this.hear({ changes, scopes });
          this.held.endPoll(poll);
        },
        onDoubt: (isOther) => this.restoreEnds(isOther),
        onInactive: () => nearCache?.clear(),
      },
    });
  }

  get caching(): boolean {
    return this.presence.mayCache;
  }

  get silenceMs(): number {
    return this.watch.longestSilenceMs;
  }

  /** Returns the latest version of a session among the changes that this node knows; 0 for none. */
  versionOf(sessionId: string): number {
    return this.recent.versionOf(sessionId);
  }

  start(): void {
    this.parts.shared?.start({
      onMessage: (text) => this.bus!.receiveMessage(text),
      onAnswer: (text) => this.bus!.receiveAnswer(text),
      onConnection: () => this.presence.connectionChanged(),
    });
  }

  poll(): Promise<void> {
    return this.presence.poll();
  }

  async stop(): Promise<void> {
    const left = this.presence.stop();
    await left.catch(() => undefined);
    await this.parts.shared?.stop();
    await left;
  }

  get(sessionId: string): RememberedRecord | null {
    const copy = this.parts.nearCache?.get(sessionId);
    return copy && this.counts(copy, this.parts.clock.monotonic()) ? copy : null;
  }

  counts(remembered: RememberedRecord, now: number): boolean {
    const copy = remembered as KeptCopy;
    if (copy.isDropped || now >= copy.goneAt || !this.presence.mayCacheAt(now)) return false;
    if (this.isHeld(copy.record, now) || this.scopes.isStale(copy.record)) return false;
    this.parts.nearCache!.use(copy, now);
    if (now >= copy.agesAt) this.aging.note(copy.record.id);
    return true;
  }

  async fetch(sessionId: string): Promise<CopiedRecord | Tombstone | null> {
    const { nearCache, shared } = this.parts;
    const near = nearCache?.peek(sessionId);
    const over = near && this.overBy(near);
    if (over) return over;
    if (!shared || shared.state === 'down' || !this.presence.mayCache) return null;
    const found = await shared.cache.read(sessionId).catch(() => null);
    if (!found || isTombstone(found)) return found;
    const now = this.parts.clock.monotonic();
    if (!this.presence.mayCacheAt(now) || !this.isUsable(found, now)) return this.overBy(found);
    this.parts.nearCache?.set(this.aging.aged(found));
    return found.record;
  }

  put(record: SessionRecord, readAt: number): void {
    if (!this.presence.mayCache) return;
    const { shared } = this.parts;
    const tombstone = tombstoneOf(record);
    if (tombstone) void shared?.cache.bury([tombstone]);
    else if (this.isUsable({ record, readAt }, this.parts.clock.monotonic())) {
      this.parts.nearCache?.set(this.aging.aged({ record, readAt }));
      shared?.cache.keep({ record, readAt });
    }
  }

  endOf(record: CopiedRecord): SessionEnd | null {
    return this.scopes.endOf(record);
  }

  /** The same for a session that ended in any way: nothing lifts its end, whatever its row says. */
  finalEndOf(record: CopiedRecord): SessionEnd | null {
    const own = this.ends.of(record.id);
    return own ? { ...own, replacedBy: null } : this.endOf(record);
  }

  takeAging(): readonly string[] {
    return this.aging.take();
  }

  isAging(sessionId: string): boolean {
    const copy = this.parts.nearCache?.get(sessionId);
    return !copy || this.parts.clock.monotonic() >= copy.agesAt;
  }

  hold(key: string): (isKnown: boolean) => void {
    this.held.hold(key);
    return (isKnown) => this.held.release(key, isKnown, this.parts.clock.monotonic());
  }

  forget(notice: ChangeNotice, ended: readonly EndedSession[] = []): void {
    this.hear(notice);
    if (ended.length > 0) void this.parts.shared?.cache.bury(ended.map(({ tombstone }) => tombstone));
  }

  announce(notice: ChangeNotice): void {
    this.bus?.announce(notice);
  }

  async acknowledged(notice: ChangeNotice): Promise<void> {
    const startedAt = this.parts.clock.monotonic();
    let isAcknowledged = false;
    try {
      if (!this.presence.isAlone) await this.acknowledgement.acknowledged(notice);
      isAcknowledged = true;
    } finally {
      this.observer?.(this.parts.clock.monotonic() - startedAt, isAcknowledged);
    }
  }

  private hear({ changes = [], scopes = [], keys = [] }: ChangeNotice): void {
    const { forgottenAt } = this;
    for (const key of keys) this.held.holdUntilPoll(key);
    for (const change of changes) this.apply(change);
    for (const change of scopes) this.scopes.add(change, this.parts.clock.monotonic());
    if (this.forgottenAt !== forgottenAt) this.parts.nearCache?.clear();
  }

  /** A session that ended with others, by a copy that no later version is known of: its holder need not ask the database. */
  private overBy({ record, readAt }: Copy): Tombstone | null {
    const end = this.isComparable(readAt, this.parts.clock.monotonic()) ? this.endOf(record) : null;
    return end && record.version >= this.recent.versionOf(record.id) ? tombstoneOf({ ...record, end }) : null;
  }

  /** Monotonic time before which no copy that was read can be compared with all changes: some were forgotten, or lost. */
  private get forgottenAt(): number {
    return Math.max(this.recent.forgottenAt, this.scopes.forgottenAt, this.distrustedAt);
  }

  private apply(change: SessionChange): void {
    this.recent.add(change, this.parts.clock.monotonic());
    this.parts.nearCache?.dropOlder(change.sessionId, change.end ? Infinity : change.version);
    if (change.end) this.ends.add(change.sessionId, change.end);
  }

  /** @param isOther true if another server answers, which may have used the numbers of lost commits again */
  private async restoreEnds(isOther: boolean): Promise<void> {
    const { changes, scopes, isLoss } = await this.ends.restore(this.scopes.all());
    if (isOther || isLoss) {
      this.distrustedAt = this.parts.clock.monotonic();
      this.parts.nearCache?.clear();
    }
    this.hear({ changes, scopes });
    if (changes.length + scopes.length > 0) this.announce({ changes, scopes });
  }

  private isUsable({ record, readAt }: Copy, now: number): boolean {
    if (!this.isComparable(readAt, now) || this.ends.of(record.id) || this.isHeld(record, now)) return false;
    return record.version >= this.recent.versionOf(record.id) && !this.scopes.isStale(record);
  }

  /** True if all changes since a copy was read are remembered. The clock of its reader may lead. @param now monotonic milliseconds */
  private isComparable(readAt: number, now: number): boolean {
    const age = this.parts.clock.now() - readAt;
    return age < this.parts.copyAgeMs && age >= -CLOCK_MARGIN_MS && now - age >= this.forgottenAt + CLOCK_MARGIN_MS;
  }

  /** Held by session id, by account, or by the account of the impersonator: see keysOf. */
  private isHeld({ id, userKey, realm, impersonator }: CopiedRecord, now: number): boolean {
    if (this.held.isEmpty) return false;
    if (this.held.has(id, now) || this.held.has(userKey, now)) return true;
    return impersonator !== null && this.held.has(keyOf(realm, impersonator), now);
  }
}
