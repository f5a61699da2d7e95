import type { AccountRef } from '../model/user-key.js';

/** Whose data it is. */
export type DataOwner =
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'account'; readonly account: AccountRef };

/** One value, as JSON text. */
export interface DataEntry {
  readonly name: string;
  readonly json: string;
}

/** Asked where others have the owner's row, or wait for it. Throws what is certain without a lock; null to wait for the row. */
export type BeforeWaiting = () => Promise<null>;

/**
 * Key-values of sessions and accounts, one row each. A write of a session's data locks the session against its end, and is
 * refused with SESSION_NOT_FOUND unless the session is live: none slips past an end, and none revives anything. Reads work
 * for as long as the data is there.
 */
export interface DataRepository {
  /** Null for a name that has no value. */
  read(owner: DataOwner, name: string): Promise<string | null>;

  /** All entries, by name. */
  readAll(owner: DataOwner): Promise<readonly DataEntry[]>;

  /** False, and nothing done, if the owner has `maxEntries` other names already. */
  write(owner: DataOwner, entry: DataEntry, maxEntries: number, beforeWaiting: BeforeWaiting): Promise<boolean>;

  /** Removes one name, or all for null. @returns how many there were */
  remove(owner: DataOwner, name: string | null, beforeWaiting: BeforeWaiting): Promise<number>;
}
