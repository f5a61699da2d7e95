import type { SessionChange } from './node-registry.js';
import type { SessionRecord } from '../model/session.js';
import type { EndedSession, Tombstone } from '../model/tombstone.js';

/** A record in this process's memory: the same object for as long as it stays there. */
export interface RememberedRecord {
  readonly record: SessionRecord;
}

/** What the nodes remember of a session in common. */
export type SharedRecord = SessionRecord | Tombstone | null;

/**
 * Remembers records that the database gave, and answers only while it is sure that nothing newer has been decided. It may
 * forget anything at any time.
 */
export interface VerificationCache {
  /** The record, or null if it is not remembered or may not be trusted now. */
  get(sessionId: string): RememberedRecord | null;

  /**
   * Whether what `get` once gave may still be trusted. This is the hot path, and cheaper than to get it again.
   * @param now what the monotonic clock has just shown
   */
  counts(remembered: RememberedRecord, now: number): boolean;

  /**
   * Asks what the nodes remember in common. Null where they remember nothing that may be trusted now, or cannot be asked in
   * time. A record may be behind as far as a refusal goes; a tombstone never is. The same record may be the same object as
   * before, and then nothing has changed in it. Never rejects.
   */
  fetch(sessionId: string): Promise<SharedRecord>;

  /**
   * Offers a record that was just read. Not kept if a later version is known or caching is off.
   * @param readAt database time at which the read was sent
   */
  put(record: SessionRecord, readAt: number): void;

  /** Sessions in use whose copies are soon too old to be used; each is named once. */
  takeAging(): readonly string[];

  /** Whether the copy of a session is soon too old, or gone. */
  isAging(sessionId: string): boolean;
}

/** What changed, as far as every node must hear of it. */
export interface ChangeNotice {
  /** Sessions whose records have a new version. */
  readonly changes?: readonly SessionChange[];
  /**
   * Ids of sessions, and keys of accounts, of which somebody else may have changed something that not every node has heard
   * of: their copies are not used until each node has read the change log.
   */
  readonly keys?: readonly string[];
}

/** What this node and the others remember, as a change of sessions has to deal with it. */
export interface SharedCopies {
  /**
   * Uses no copy of a session, or of the sessions of an account, until released.
   * @param key the id of the session or the key of the account
   * @returns call it with whether the outcome of the change is known
   */
  hold(key: string): (isKnown: boolean) => void;

  /** Forgets what a change made old, on this node and in what the nodes have in common. No other node is told. */
  forget(notice: ChangeNotice, ended?: readonly EndedSession[]): void;

  /**
   * Resolves when no other node goes by what was before the change: each has acknowledged it or cannot be using a cache.
   * @throws ChangePendingError if that cannot be acknowledged in time; the change is recorded and takes effect by its time
   */
  acknowledged(notice: ChangeNotice): Promise<void>;

  /** Tells every other node of a change and waits for none. Where that fails they find it in the change log. */
  announce(notice: ChangeNotice): void;

  /** Longest time until every node that can still be using a cache has heard of a change by itself. Milliseconds. */
  readonly silenceMs: number;

  /** The same, counted from the time that a change bears, which its commit may come long after. Milliseconds. */
  readonly settleMs: number;
}
