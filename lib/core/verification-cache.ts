import type { SessionChange } from './membership.js';
import type { SessionRecord } from './session.js';

/**
 * Remembers records that the database gave, and answers only while it is sure that nothing newer has been decided. It may
 * forget anything at any time.
 */
export interface VerificationCache {
  /** The record, or null if it is not remembered or may not be trusted now. Synchronous: this is the hot path. */
  get(sessionId: string): SessionRecord | null;

  /**
   * Offers a record that was just read. Not kept if a later version is known or caching is off.
   * @param readAt database time at which the read was sent
   */
  put(record: SessionRecord, readAt: number): void;
}

/** Makes an end true on every node. */
export interface EndConfirmation {
  /**
   * Resolves when no node accepts the sessions any more: this one has forgotten them at once, and the others have
   * confirmed it or cannot be using a cache. So are all ends that were recorded before the call: with no changes, it
   * confirms an end that an earlier call left pending.
   * @throws EndPendingError if that cannot be confirmed in time; the ends are recorded and take effect by its time
   */
  confirm(changes: readonly SessionChange[]): Promise<void>;
}
