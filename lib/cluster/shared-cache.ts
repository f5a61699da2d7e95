import type { Tombstone } from '../model/tombstone.js';
import type { Copy } from './near-cache.js';

/**
 * What all nodes remember in common. It may lose anything, or have it come back from long ago: whoever reads decides by what
 * else is known whether a copy may be used.
 */
export interface SharedCache {
  /**
   * What it holds of a session, or null. Callers of the same turn share a read. What it has given before and has not changed
   * may be the same object.
   * @throws Error if it cannot be asked in time
   */
  read(sessionId: string): Promise<Copy | Tombstone | null>;

  /** Keeps a copy, unless there is a tombstone or a later one. Bounded in time and harmless if it fails or comes late. */
  keep(copy: Copy): void;

  /** Puts a tombstone in the place of whatever there is. Resolves when that is done, or cannot be. Never rejects. */
  bury(tombstones: readonly Tombstone[]): Promise<void>;
}

/** What a Messenger tells. */
export interface MessageHandlers {
  /** A message for all nodes, one of this node included. */
  readonly onMessage: (text: string) => void;
  /** An answer for this node. */
  readonly onAnswer: (text: string) => void;
  /** Messages of others reach this node from now on, or do not any more. */
  readonly onConnection: (isConnected: boolean) => void;
}

/** Messages between nodes. Any of them may be lost or late; none is ever waited for beyond a deadline. */
export interface Messenger {
  /** Whether messages reach this node, as far as it can tell. */
  readonly isConnected: boolean;
  /** To all nodes. Resolves when it was sent, or could not be. Never rejects. */
  send(text: string): Promise<void>;
  /** To one node. Never rejects. */
  answer(nodeId: string, text: string): Promise<void>;
}

/** How the service behind the shared cache is doing. */
export type SharedState = 'up' | 'down' | 'probing';

/** Cache and messages of one node, over one service. */
export interface SharedBackend {
  readonly cache: SharedCache;
  readonly messenger: Messenger;
  /** Whether it is asked: `down` after failures in a row, `probing` while one request finds out whether it is back. */
  readonly state: SharedState;
  start(handlers: MessageHandlers): void;
  /** Ends the connections that it opened. */
  stop(): Promise<void>;
}

/** What a backend is made for. */
export interface SharedContext {
  readonly realm: string;
  readonly nodeId: string;
  /** A: from this age on no copy is used. Milliseconds. */
  readonly copyAgeMs: number;
  /** Time in which a verification is answered, which must leave some for the database. Milliseconds. */
  readonly verifyBudgetMs: number;
  /** How long a tombstone is kept. Milliseconds. */
  readonly tombstoneMs: number;
  /** How soon it must be known that messages do not arrive any more. Milliseconds. */
  readonly heartbeatMs: number;
  readonly warn: (message: string) => void;
  readonly now: () => number;
}

/** Makes the backend of one module; what `redis()` of `nestjs-latchkey/redis` gives. */
export interface SharedBackendFactory {
  /** @throws SessionError CONFIGURATION_INVALID */
  create(context: SharedContext): SharedBackend;
}
