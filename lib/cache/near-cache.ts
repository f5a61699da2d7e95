import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../core/session.js';

/** A record and the database time at which it was read. */
export interface Copy {
  readonly record: SessionRecord;
  readonly readAt: number;
}

/** Copies of session records in this process, the least recently used thrown out first. Holds hashes, never tokens. */
export class NearCache {
  private readonly copies: LRUCache<string, Copy>;

  constructor(maxEntries: number) {
    this.copies = new LRUCache({ max: maxEntries });
  }

  get(sessionId: string): Copy | undefined {
    return this.copies.get(sessionId);
  }

  set(copy: Copy): void {
    this.copies.set(copy.record.id, copy);
  }

  delete(sessionId: string): void {
    this.copies.delete(sessionId);
  }

  clear(): void {
    this.copies.clear();
  }
}
