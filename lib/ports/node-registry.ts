/** Row of a node. Times are milliseconds since the epoch by the database's clock. */
export interface NodeRow {
  readonly id: string;
  /** True if the node may be answering from a cache. */
  readonly caching: boolean;
  /** True if messages of other nodes can reach it. */
  readonly messaging: boolean;
  /** How long it may use copies after its last completed poll. Milliseconds. */
  readonly silenceMs: number;
  /** Time of its last write, for people. Clocks can be set, so no rule compares it with another time. */
  readonly renewedAt: number;
  /** Number of the poll that wrote the row, incremented by each. */
  readonly poll: number;
  /** Number of its last completed poll, 0 for none. The node knows every change from before that poll began. */
  readonly polled: number;
}

export type NodeState = Omit<NodeRow, 'renewedAt'>;

/** The realm's other nodes that are not known to be gone. */
export interface NodeList {
  readonly others: readonly NodeRow[];
}

export interface PollResult extends NodeList {
  /** Database time at which the list was read. */
  readonly databaseTime: number;
  /** Monotonic time at which the database's clock was read, accurate to half a round trip. */
  readonly measuredAt: number;
  /** False if this node's row was missing and has been restored, as after a long pause. */
  readonly wasRegistered: boolean;
  /** Changes of verdicts since the requested time. Those reported by earlier polls may be omitted. */
  readonly changes: readonly SessionChange[];
}

/** Reads changes again for this long, because a slow transaction commits them late with an early time. */
export const LATE_COMMIT_MS = 15_000;

/** A change of a verdict: copies of the session with a lower version are stale. */
export interface SessionChange {
  readonly sessionId: string;
  readonly version: number;
}

/** Lists the nodes that share a database, and the log of changes between them. */
export interface NodeRegistry {
  /** Renews a row, then reads all. @param changesSince null for none; if earlier than last time, reports all again */
  poll(node: NodeState, changesSince: number | null): Promise<PollResult>;

  /** Lists the other nodes, including all whose rows were written before this read. */
  list(nodeId: string): Promise<NodeList>;

  /** Removes the row of a node that has stopped using its cache. */
  leave(nodeId: string): Promise<void>;

  /** Removes the rows of silent nodes. A row rewritten since it was read stays, because its node is alive. */
  remove(silent: readonly Pick<NodeRow, 'id' | 'poll'>[]): Promise<void>;

  /** Deletes changes with a time before `before` or after `after`. */
  purge(before: number, after: number): Promise<void>;
}
