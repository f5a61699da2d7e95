/** What one poll of the shared state found. Times are milliseconds since the epoch by the clock of the database. */
export interface PollResult {
  readonly databaseTime: number;
  /** Monotonic time of this node at which the database's clock was read, give or take half of a round trip. */
  readonly measuredAt: number;
  /** False if the row of this node was missing and has been put back, as after a long pause. */
  readonly wasRegistered: boolean;
  /** The other nodes of the realm that are not known to be gone. */
  readonly others: readonly { readonly id: string; readonly caching: boolean; readonly renewedAt: number }[];
  /** Changes of verdicts since the time that was asked for. */
  readonly changes: readonly SessionChange[];
}

/** One change of a verdict: copies of the session with a lower version are wrong from then on. */
export interface SessionChange {
  readonly sessionId: string;
  readonly version: number;
}

/** The nodes that share a database, and the log of changes between them. */
export interface Membership {
  /**
   * Renews the row of a node and then reads: whoever has written its row before this read is seen by it.
   * @param changesSince changes from this time on are wanted; null for none
   */
  poll(node: { readonly id: string; readonly caching: boolean }, changesSince: number | null): Promise<PollResult>;

  /** Removes the row of a node that uses its cache no more. */
  leave(nodeId: string): Promise<void>;

  /** Forgets changes from before a time, and nodes that have not renewed their row since. */
  purge(before: number): Promise<void>;
}
