import type { AccountRef } from '../model/user-key.js';

export type DataOwner =
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'account'; readonly account: AccountRef };

/** One value, as JSON text. */
export interface DataEntry {
  readonly name: string;
  readonly json: string;
}

/** Called before waiting for a locked row. Throws an outcome that is certain without the lock; returns null to wait. */
export type BeforeWaiting = () => Promise<null>;

/**
 * Writes lock a session against its end and fail with SESSION_NOT_FOUND unless it is live, so that no write slips past
 * an end or revives a session. Reads work as long as the data exists.
 */
export interface DataRepository {
  read(owner: DataOwner, name: string): Promise<string | null>;

  /** All entries, sorted by name. */
  readAll(owner: DataOwner): Promise<readonly DataEntry[]>;

  /** Returns false, and writes nothing, if the owner has `maxEntries` other names already. */
  write(owner: DataOwner, entry: DataEntry, maxEntries: number, beforeWaiting: BeforeWaiting): Promise<boolean>;

  /** Removes one name, or all for null. @returns how many were removed */
  remove(owner: DataOwner, name: string | null, beforeWaiting: BeforeWaiting): Promise<number>;
}
