import type { EndedSession } from '../model/session-change.js';

/** Closes the rows of sessions that ended with all others of an account or of the realm. */
export interface MassEndRows {
  /**
   * Closes up to `limit` rows of the mass end that this node works on, or else of the oldest one that no other node works on.
   * An empty list says that this node is done with one: all of its rows are closed, or another node has taken it over.
   * Null if there is nothing to do.
   */
  close(limit: number): Promise<readonly EndedSession[] | null>;
  /** Time of the oldest mass end of the realm that has rows to close; null for none. By the clock of the database. */
  oldest(): Promise<number | null>;
}
