import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../core/session.js';

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

/** Copies of session records in this process, the least recently used thrown out first. Holds hashes, never tokens. */
export class NearCache {
  private readonly copies: LRUCache<string, NearCopy>;

  constructor(maxEntries: number) {
    this.copies = new LRUCache({ max: maxEntries });
  }

  get size(): number {
    return this.copies.size;
  }

  get(sessionId: string): NearCopy | undefined {
    return this.copies.get(sessionId);
  }

  /** Keeps a copy unless it has one that is later. */
  set(copy: NearCopy): void {
    const known = this.copies.peek(copy.record.id);
    const isLater = known && (known.record.version > copy.record.version || known.readAt > copy.readAt);
    if (!isLater) this.copies.set(copy.record.id, copy);
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
