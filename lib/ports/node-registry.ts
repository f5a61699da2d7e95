/** A node as its row says. Times are milliseconds since the epoch by the clock of the database. */
export interface NodeRow {
  readonly id: string;
  /** Whether it may be answering from a cache. */
  readonly caching: boolean;
  /** Whether messages of other nodes can reach it at all. */
  readonly messaging: boolean;
  /** Time for which it may go by copies after the last poll that it completed. Milliseconds. */
  readonly silenceMs: number;
  /** When it last wrote its row. For people: clocks can be set, so no rule compares it with another time. */
  readonly renewedAt: number;
  /** Number of the poll that wrote the row, one more each time. */
  readonly poll: number;
  /** Number of the last poll that it has completed; 0 for none. It knows of every change from before that poll began. */
  readonly polled: number;
}

/** What one node writes of itself. */
export type NodeState = Omit<NodeRow, 'renewedAt'>;

/** The other nodes of the realm that are not known to be gone. */
export interface NodeList {
  readonly others: readonly NodeRow[];
}

/** What one poll of the shared state found. */
export interface PollResult extends NodeList {
  /** What the clock of the database showed when the list was read. */
  readonly databaseTime: number;
  /** Monotonic time of this node at which the database's clock was read, give or take half of a round trip. */
  readonly measuredAt: number;
  /** False if the row of this node was missing and has been put back, as after a long pause. */
  readonly wasRegistered: boolean;
  /** Changes of verdicts since the time that was asked for. Those that earlier polls have told of may be left out. */
  readonly changes: readonly SessionChange[];
}

/** Changes are read again for this long: a slow transaction commits them late, with an early time. */
export const LATE_COMMIT_MS = 15_000;

/** One change of a verdict: copies of the session with a lower version are wrong from then on. */
export interface SessionChange {
  readonly sessionId: string;
  readonly version: number;
}

/** The nodes that share a database, and the log of changes between them. */
export interface NodeRegistry {
  /**
   * Renews the row of a node and then reads: whoever has written its row before this read is seen by it. A poll that comes
   * late never undoes what a later one has written; it rejects.
   * @param changesSince changes from this time on are wanted; null for none. If it is earlier than that of the poll before, all
   *   are told, whatever was told before
   */
  poll(node: NodeState, changesSince: number | null): Promise<PollResult>;

  /** The other nodes. Whoever has written its row before this read is in the list. */
  list(nodeId: string): Promise<NodeList>;

  /** Removes the row of a node that uses its cache no more. */
  leave(nodeId: string): Promise<void>;

  /** Removes the rows of silent nodes. A row that has been written since it was read stays: its node is there. */
  remove(silent: readonly Pick<NodeRow, 'id' | 'poll'>[]): Promise<void>;

  /** Forgets changes that bear a time before `before` or after `after`. */
  purge(before: number, after: number): Promise<void>;
}
