import type { ScopeChange } from '../model/mass-end.js';
import type { SessionEnd } from '../model/session.js';

/** Row of a node. Times are milliseconds since the epoch by the database's clock. */
export interface NodeRow {
  readonly id: string;
  /** Version of the rules between nodes (PROTOCOL). While nodes of different ones run, none caches. */
  readonly protocol: number;
  /** True if the node may be answering from a cache. */
  readonly caching: boolean;
  /** True if messages of other nodes can reach it. */
  readonly messaging: boolean;
  /** How long it may use copies after its last completed poll. Milliseconds. */
  readonly silenceMs: number;
  /** W: how long it needs a change to stay in the log once it is visible. Milliseconds. */
  readonly windowMs: number;
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

/** Position in the change log, in the order of commits. Made by `poll`, and read by the registry that made it alone. */
export interface LogPosition {
  /** The run of the database server that it belongs to: another after a restart or a fail-over. */
  readonly server: string;
}

export interface PollResult extends NodeList {
  /** Database time at which the list was read. */
  readonly databaseTime: number;
  /** Monotonic time at which the database's clock was read, accurate to half a round trip. */
  readonly measuredAt: number;
  /** False if this node's row was missing or set back, and has been restored: after a long pause, or a loss of commits. */
  readonly wasRegistered: boolean;
  /** Changes of verdicts that became visible after the requested position. Earlier ones may be among them. */
  readonly changes: readonly SessionChange[];
  /** The same of changes of accounts and of the realm. */
  readonly scopes: readonly ScopeChange[];
  /** Every change that was visible when this poll began is among those up to here. */
  readonly position: LogPosition;
  /** Milliseconds for which the oldest writing transaction has been open, as far as polls have seen it; null if unknown. */
  readonly oldestWriteMs: number | null;
}

/** How a session ended, as far as the change log and messages tell. */
export type ChangeEnd = Pick<SessionEnd, 'reason' | 'at' | 'by'>;

/** A change of a verdict: copies of the session with a lower version are stale, and all of them once it has ended. */
export interface SessionChange {
  readonly sessionId: string;
  readonly version: number;
  /** Null or missing for a change that was no end. */
  readonly end?: ChangeEnd | null;
}

/** Lists the nodes that share a database, and the log of changes between them. */
export interface NodeRegistry {
  /**
   * Renews a row, then reads all rows and the change log. One call at a time. @param after position that an earlier poll
   * reached; null to read the whole log
   */
  poll(node: NodeState, after: LogPosition | null): Promise<PollResult>;

  /** Lists the other nodes, including all whose rows were written before this read. */
  list(nodeId: string): Promise<NodeList>;

  /** Removes the row of a node that has stopped using its cache. */
  leave(nodeId: string): Promise<void>;

  /** Removes the rows of silent nodes. A row rewritten since it was read stays, because its node is alive. */
  remove(silent: readonly Pick<NodeRow, 'id' | 'poll'>[]): Promise<void>;

  /** Deletes the changes that were visible at a position, and those of no server or time that can still be. */
  purge(seen: LogPosition): Promise<void>;
}
