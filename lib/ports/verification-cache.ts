import type { SessionChange } from './node-registry.js';
import type { ScopeChange } from '../model/mass-end.js';
import type { CopiedRecord, SessionEnd, SessionRecord } from '../model/session.js';
import type { EndedSession, Tombstone } from '../model/session-change.js';

/** Copy of a record in this node's memory. Stays the same object while it is cached. */
export interface RememberedRecord {
  readonly record: CopiedRecord;
}

/** Entry of the cache that all nodes share. */
export type SharedRecord = CopiedRecord | Tombstone | null;

/** Answers only while it is certain that no newer version exists. May evict anything at any time. */
export interface VerificationCache {
  /** Returns the copy; null on a miss, or if the copy cannot be trusted now. */
  get(sessionId: string): RememberedRecord | null;

  /** Tells if a copy of `get` can still be trusted, at less cost: hot path. @param now monotonic time just read */
  counts(remembered: RememberedRecord, now: number): boolean;

  /**
   * Reads the shared cache. Null on a miss, for untrusted entries and after the time limit; never rejects. Refusals by a
   * record may be stale, those by a tombstone never. The same object as before means that nothing has changed.
   */
  fetch(sessionId: string): Promise<SharedRecord>;

  /** Stores a record unless a later version is known. @param readAt database time at which the read was sent */
  put(record: SessionRecord, readAt: number): void;

  /** Sessions in use whose copies expire soon; each is returned once. */
  takeAging(): readonly string[];

  /** True if the copy of a session expires soon, or is gone. */
  isAging(sessionId: string): boolean;
}

/** A change that every node must learn of. */
export interface ChangeNotice {
  /** Sessions whose records have a new version. */
  readonly changes?: readonly SessionChange[];
  /** Changes of accounts, and the end of everything in the realm. */
  readonly scopes?: readonly ScopeChange[];
  /** Session ids and account keys with foreign changes. No copies of them are used until each node has read the change log. */
  readonly keys?: readonly string[];
}

/** Copies on this node and on the others, as seen by a change of sessions. */
export interface SharedCopies {
  /** Suspends copies of a session or account. @returns function that releases; pass true if the outcome is known */
  hold(key: string): (isKnown: boolean) => void;

  /** Evicts copies that a change made stale, from this node and the shared cache. Does not notify other nodes. */
  forget(notice: ChangeNotice, ended?: readonly EndedSession[]): void;

  /** Returns how a session ended with all others of its account or of the realm, as far as this node knows; else null. */
  endOf(record: CopiedRecord): SessionEnd | null;

  /** Waits until each other node has acknowledged or caches nothing. @throws ChangePendingError if it takes too long */
  acknowledged(notice: ChangeNotice): Promise<void>;

  /** Notifies all other nodes without waiting. Nodes that miss it read the change log. */
  announce(notice: ChangeNotice): void;

  /** Longest time until every node that may be using a cache learns of a change by itself. Milliseconds. */
  readonly silenceMs: number;
}
