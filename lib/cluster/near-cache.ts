import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports/clock.js';
import type { CopiedRecord } from '../model/session.js';

/** Counts a copy as used at most once in this time. */
const USE_INTERVAL_MS = 1000;

export interface Copy {
  readonly record: CopiedRecord;
  readonly readAt: number;
}

/** A copy that is or was in this node's memory. Times are monotonic, so that steps of other clocks cannot extend them. */
export interface KeptCopy extends Copy {
  /** Time from which a refresh is worthwhile. */
  readonly agesAt: number;
  readonly goneAt: number;
  isDropped: boolean;
  usedAt: number;
}

export type NearCopy = Omit<KeptCopy, 'isDropped' | 'usedAt'>;

/** LRU cache of session records in this node's memory. Holds hashes, never tokens. */
export class NearCache {
  private readonly copies: LRUCache<string, KeptCopy>;

  constructor(maxEntries: number) {
    this.copies = new LRUCache({ max: maxEntries, dispose: (copy) => (copy.isDropped = true) });
  }

  get size(): number {
    return this.copies.size;
  }

  get(sessionId: string): KeptCopy | undefined {
    return this.copies.get(sessionId);
  }

  /** The same, and counts as no use. */
  peek(sessionId: string): KeptCopy | undefined {
    return this.copies.peek(sessionId);
  }

  use(copy: KeptCopy, now: number): void {
    if (now - copy.usedAt < USE_INTERVAL_MS) return;
    copy.usedAt = now;
    this.copies.get(copy.record.id);
  }

  /** Stores a copy unless a later one is cached. */
  set(copy: NearCopy): void {
    const known = this.copies.peek(copy.record.id);
    if (known && (known.record.version > copy.record.version || known.readAt > copy.readAt)) return;
    const { record, readAt, agesAt, goneAt } = copy;
    // No spread: V8 may give each spread object its own hidden class (see http/fast-path).
    this.copies.set(record.id, { record, readAt, agesAt, goneAt, isDropped: false, usedAt: -Infinity });
  }

  dropOlder(sessionId: string, version: number): void {
    const copy = this.copies.peek(sessionId);
    if (copy && copy.record.version < version) this.copies.delete(sessionId);
  }

  clear(): void {
    this.copies.clear();
  }
}

/** Most aging sessions tracked; others are read on demand once their copy has expired. */
const MAX_NOTED = 100_000;
/** Shares of the copy's lifetime between which it is refreshed, spread so that nodes do not refresh together. */
const SOONEST = 0.6;
const LATEST = 0.8;

/** Tracks copies in use that expire soon, so that they are refreshed in batches before a request has to wait. */
export class AgingCopies {
  private noted = new Set<string>();

  constructor(
    private readonly copyAgeMs: number,
    private readonly clock: Clock,
  ) {}

  /** Adds the monotonic times at which a copy ages and expires. */
  aged(copy: Copy): NearCopy {
    const age = Math.max(0, this.clock.now() - copy.readAt);
    const bornAt = this.clock.monotonic() - age;
    const share = SOONEST + Math.random() * (LATEST - SOONEST);
    return { ...copy, agesAt: bornAt + share * this.copyAgeMs, goneAt: bornAt + this.copyAgeMs };
  }

  note(sessionId: string): void {
    if (this.noted.size < MAX_NOTED) this.noted.add(sessionId);
  }

  take(): readonly string[] {
    const taken = [...this.noted];
    if (taken.length > 0) this.noted = new Set();
    return taken;
  }
}
