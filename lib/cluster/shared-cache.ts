import type { Tombstone } from '../model/session-change.js';
import type { Copy } from './near-cache.js';

/** Cache shared by all nodes. It may lose entries or restore old ones: readers judge by other knowledge if a copy is usable. */
export interface SharedCache {
  /** Callers of one turn share a read. An unchanged entry may be the same object as before. @throws Error after the time limit */
  read(sessionId: string): Promise<Copy | Tombstone | null>;

  /** Stores a copy unless there is a tombstone or a later copy. Bounded in time; harmless if it fails or is late. */
  keep(copy: Copy): void;

  /** Replaces entries by tombstones. Resolves once that is done or has failed. Never rejects. */
  bury(tombstones: readonly Tombstone[]): Promise<void>;
}

export interface MessageHandlers {
  /** A message to all nodes; this node's own messages are delivered too. */
  readonly onMessage: (text: string) => void;
  readonly onAnswer: (text: string) => void;
  /** Called when messages of others start or stop reaching this node. */
  readonly onConnection: (isConnected: boolean) => void;
}

/** Exchanges messages between nodes. Messages may be lost or late; all waiting has a deadline. */
export interface Messenger {
  /** True if messages reach this node, as far as it can tell. */
  readonly isConnected: boolean;
  /** Resolves once sent or failed. Never rejects. */
  send(text: string): Promise<void>;
  /** Sends to one node. Never rejects. */
  answer(nodeId: string, text: string): Promise<void>;
}

export type SharedState = 'up' | 'down' | 'probing';

export interface SharedBackend {
  readonly cache: SharedCache;
  readonly messenger: Messenger;
  /** `down` after consecutive failures; `probing` while one request tests if the service is back. */
  readonly state: SharedState;
  start(handlers: MessageHandlers): void;
  stop(): Promise<void>;
}

export interface SharedContext {
  readonly realm: string;
  readonly nodeId: string;
  /** A: copies expire at this age. Milliseconds. */
  readonly copyAgeMs: number;
  /** Time limit of a verification, which must leave time for the database. Milliseconds. */
  readonly verifyBudgetMs: number;
  readonly tombstoneMs: number;
  /** Time within which a loss of messages must be detected. Milliseconds. */
  readonly heartbeatMs: number;
  readonly warn: (message: string) => void;
  readonly now: () => number;
}

/** Creates the backend of one module; returned by `redis()` of `nestjs-latchkey/redis`. */
export interface SharedBackendFactory {
  /** @throws SessionError CONFIGURATION_INVALID */
  create(context: SharedContext): SharedBackend;
}
