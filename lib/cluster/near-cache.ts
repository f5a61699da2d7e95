import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../model/session.js';

/** What was used within this time of another use is as good as used just now. */
const USE_INTERVAL_MS = 1000;

/** A record and the database time at which it was read. */
export interface Copy {
  readonly record: SessionRecord;
  readonly readAt: number;
}

/** A copy in this process. The times are of its monotonic clock, so that no step of any other clock prolongs them. */
export interface NearCopy extends Copy {
  /** From here on it is worth while to read the record again. */
  readonly agesAt: number;
  /** From here on the copy is not used. */
  readonly goneAt: number;
}

/** A copy that is in the cache, or was. */
export interface KeptCopy extends NearCopy {
  /** Whether it has been dropped, thrown out, or replaced. */
  isDropped: boolean;
  /** When it was last counted as used. Monotonic milliseconds. */
  usedAt: number;
}

/** Copies of session records in this process, the least recently used thrown out first. Holds hashes, never tokens. */
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

  /** Counts a copy as used, which need not be more often than every so often. @param now monotonic milliseconds */
  use(copy: KeptCopy, now: number): void {
    if (now - copy.usedAt < USE_INTERVAL_MS) return;
    copy.usedAt = now;
    this.copies.get(copy.record.id);
  }

  /** Keeps a copy unless it has one that is later. */
  set(copy: NearCopy): void {
    const known = this.copies.peek(copy.record.id);
    const isLater = known && (known.record.version > copy.record.version || known.readAt > copy.readAt);
    if (isLater) return;
    const { record, readAt, agesAt, goneAt } = copy;
    // Not by a spread: V8 may give each object that one makes a hidden class of its own (see http/fast-path).
    this.copies.set(record.id, { record, readAt, agesAt, goneAt, isDropped: false, usedAt: -Infinity });
  }

  /** Drops the copy of a session if its version is lower than this. */
  dropOlder(sessionId: string, version: number): void {
    const copy = this.copies.peek(sessionId);
    if (copy && copy.record.version < version) this.copies.delete(sessionId);
  }

  clear(): void {
    this.copies.clear();
  }
}
