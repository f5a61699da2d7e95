import type { Clock } from '../ports/clock.js';
import { LATE_COMMIT_MS, type NodeRegistry, type SessionChange } from '../ports/node-registry.js';
import type { SessionRecord } from '../model/session.js';
import { type EndedSession, type Tombstone, isTombstone, tombstoneOf } from '../model/tombstone.js';
import type { ChangeNotice, RememberedRecord, SharedCopies, VerificationCache } from '../ports/verification-cache.js';
import { userKey as keyOf } from '../model/user-key.js';
import { AgingCopies } from './aging-copies.js';
import { ChangeBus } from './change-bus.js';
import { AcknowledgementCollector } from './acknowledgement-collector.js';
import { HeldKeys } from './held-keys.js';
import { NodeWatch } from './node-watch.js';
import type { Copy, KeptCopy, NearCache } from './near-cache.js';
import { NodePresence } from './node-presence.js';
import { RecentChanges } from './recent-changes.js';
import type { SharedBackend } from './shared-cache.js';

export interface CoherenceSettings {
  /** 32 hex digits, new for every start. */
  readonly nodeId: string;
  /** Null: this node remembers nothing by itself. */
  readonly nearCache: NearCache | null;
  /** Null: the nodes remember nothing in common, and cannot send messages. */
  readonly shared: SharedBackend | null;
  /** D: with polls working, no copy is used if the last one began longer ago. */
  readonly pollFreshnessMs: number;
  /** max(D, G): the same while polls fail. A node that has been silent for this long uses no copy. */
  readonly silenceMs: number;
  /** A: no copy is used that was read longer ago. */
  readonly copyAgeMs: number;
  /** How long an end waits for other nodes before it is reported as pending. */
  readonly acknowledgeMs: number;
}

/** Is told how long a change waited for the other nodes, and whether that was long enough. */
export type AcknowledgementObserver = (millis: number, isAcknowledged: boolean) => void;

/** How far ahead of this node's reading of the database clock another node's may be. */
const CLOCK_MARGIN_MS = 5000;

/** W: how long changes are kept, so that any copy that may be used can be measured against them. Milliseconds. */
export function changeWindow(copyAgeMs: number): number {
  return copyAgeMs + 2 * LATE_COMMIT_MS;
}

/**
 * Decides when a copy may be used, near or shared, and when a change is true on all nodes (architecture.md, "Freshness"). A
 * copy is used only while this node knows of every change but those of the last moments, only if it is young enough for all
 * later changes to be known, and only if its version is none of those that a change has made old.
 */
export class CacheCoherence implements VerificationCache, SharedCopies {
  readonly presence: NodePresence;
  /** Null as long as nobody wants to know. */
  observer: AcknowledgementObserver | null = null;
  private readonly recent: RecentChanges;
  private readonly held = new HeldKeys(LATE_COMMIT_MS);
  private readonly aging: AgingCopies;
  private readonly bus: ChangeBus | null;
  private readonly acknowledgement: AcknowledgementCollector;
  private readonly watch: NodeWatch;

  constructor(
    nodeRegistry: NodeRegistry,
    private readonly clock: Clock,
    private readonly settings: CoherenceSettings,
  ) {
    const { nodeId, nearCache, shared, copyAgeMs, silenceMs } = settings;
    const windowMs = changeWindow(copyAgeMs);
    this.recent = new RecentChanges(windowMs, clock.monotonic());
    this.aging = new AgingCopies(copyAgeMs, clock);
    this.bus = shared && new ChangeBus(nodeId, shared.messenger, (changes, keys) => this.hear({ changes, keys }));
    this.watch = new NodeWatch(clock, silenceMs);
    this.acknowledgement = new AcknowledgementCollector(nodeRegistry, clock, this.bus, this.watch, settings);
    const canCache = nearCache !== null || shared !== null;
    this.presence = new NodePresence(
      nodeRegistry,
      clock,
      this.watch,
      { ...settings, canCache, messaging: shared !== null, windowMs },
      {
        isConnected: () => shared?.messenger.isConnected ?? false,
        onPoll: () => this.held.beginPoll(),
        onPolled: (poll, changes) => {
          for (const change of changes) this.apply(change);
          this.held.endPoll(poll);
        },
        onInactive: () => nearCache?.clear(),
      },
    );
  }

  get caching(): boolean {
    return this.presence.mayCache;
  }

  get silenceMs(): number {
    return this.watch.longestSilenceMs;
  }

  get settleMs(): number {
    const settleMs = this.silenceMs + LATE_COMMIT_MS;
    // Where the clock was set a moment ago, what bears an old time may be new: all changes count as recent.
    return this.presence.sinceStepMs < settleMs ? this.clock.now() : settleMs;
  }

  start(): void {
    const { shared } = this.settings;
    shared?.start({
      onMessage: (text) => this.bus!.receiveMessage(text),
      onAnswer: (text) => this.bus!.receiveAnswer(text),
      onConnection: () => this.presence.connectionChanged(),
    });
  }

  /** One look at the shared state. Rejects if the database cannot be read. */
  poll(): Promise<void> {
    return this.presence.poll();
  }

  /** Uses no copy from here on and leaves. */
  async stop(): Promise<void> {
    try {
      await this.presence.stop();
    } finally {
      await this.settings.shared?.stop();
    }
  }

  get(sessionId: string): RememberedRecord | null {
    const copy = this.settings.nearCache?.get(sessionId);
    return copy && this.counts(copy, this.clock.monotonic()) ? copy : null;
  }

  counts(remembered: RememberedRecord, now: number): boolean {
    const copy = remembered as KeptCopy;
    if (copy.isDropped || now >= copy.goneAt || !this.presence.mayCacheAt(now)) return false;
    if (this.isHeld(copy.record, now)) return false;
    this.settings.nearCache!.use(copy, now);
    if (now >= copy.agesAt) this.aging.note(copy.record.id);
    return true;
  }

  async fetch(sessionId: string): Promise<SessionRecord | Tombstone | null> {
    const { shared } = this.settings;
    if (!shared || shared.state === 'down' || !this.presence.mayCache) return null;
    let found: Copy | Tombstone | null;
    try {
      found = await shared.cache.read(sessionId);
    } catch {
      return null;
    }
    if (!found || isTombstone(found)) return found;
    const now = this.clock.monotonic();
    if (!this.presence.mayCacheAt(now) || !this.isUsable(found, now)) return null;
    this.keepNear(found);
    return found.record;
  }

  put(record: SessionRecord, readAt: number): void {
    if (!this.presence.mayCache) return;
    const { shared } = this.settings;
    const tombstone = tombstoneOf(record);
    if (tombstone) {
      void shared?.cache.bury([tombstone]);
    } else if (this.isUsable({ record, readAt }, this.clock.monotonic())) {
      this.keepNear({ record, readAt });
      shared?.cache.keep({ record, readAt });
    }
  }

  /** Sessions in use whose copies are soon too old; each is named once. */
  takeAging(): readonly string[] {
    return this.aging.take();
  }

  /** Whether there is no copy of a session in this process, or one that is soon too old. */
  isAging(sessionId: string): boolean {
    const copy = this.settings.nearCache?.get(sessionId);
    return !copy || this.clock.monotonic() >= copy.agesAt;
  }

  hold(key: string): (isKnown: boolean) => void {
    this.held.hold(key);
    return (isKnown) => this.held.release(key, isKnown, this.clock.monotonic());
  }

  forget(notice: ChangeNotice, ended: readonly EndedSession[] = []): void {
    this.hear(notice);
    if (ended.length > 0) void this.settings.shared?.cache.bury(ended.map(({ tombstone }) => tombstone));
  }

  announce(notice: ChangeNotice): void {
    this.bus?.announce(notice);
  }

  async acknowledged(notice: ChangeNotice): Promise<void> {
    const startedAt = this.clock.monotonic();
    let isAcknowledged = false;
    try {
      if (!this.presence.isAlone) await this.acknowledgement.acknowledged(notice);
      isAcknowledged = true;
    } finally {
      this.observer?.(this.clock.monotonic() - startedAt, isAcknowledged);
    }
  }

  /** What a change means to this node, whoever made it. */
  private hear({ changes = [], keys = [] }: ChangeNotice): void {
    for (const key of keys) this.held.holdUntilPoll(key);
    for (const change of changes) this.apply(change);
  }

  private apply(change: SessionChange): void {
    this.recent.add(change, this.clock.monotonic());
    this.settings.nearCache?.dropOlder(change.sessionId, change.version);
  }

  /** @param now monotonic milliseconds */
  private isUsable({ record, readAt }: Copy, now: number): boolean {
    const age = this.clock.now() - readAt;
    if (age >= this.settings.copyAgeMs || age < -CLOCK_MARGIN_MS) return false;
    return record.version >= this.recent.versionOf(record.id) && !this.isHeld(record, now);
  }

  private keepNear(copy: Copy): void {
    this.settings.nearCache?.set({ ...copy, ...this.aging.timesOf(copy.readAt) });
  }

  /** By itself, by its account, or by that of the operator who opened it: see keysOf. */
  private isHeld({ id, userKey, realm, impersonator }: SessionRecord, now: number): boolean {
    if (this.held.isEmpty) return false;
    if (this.held.has(id, now) || this.held.has(userKey, now)) return true;
    return impersonator !== null && this.held.has(keyOf(realm, impersonator), now);
  }
}
