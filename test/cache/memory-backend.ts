import type { Copy } from 'lib/near-cache.js';
import type { MessageHandlers, Messenger, SharedBackend, SharedCache, SharedState } from 'lib/shared-cache.js';
import type { Tombstone } from 'lib/session-change.js';

/** The port of the shared cache and the messages, in memory: what it holds, and how it fares, is the test's to say. */
export class MemoryBackend implements SharedBackend {
  readonly held = new Map<string, Copy | Tombstone>();
  readonly sent: string[] = [];
  state: SharedState = 'up';
  handlers: MessageHandlers | null = null;
  beforeReply: () => Promise<void> | void = () => undefined;

  readonly cache: SharedCache = {
    read: async (sessionId) => {
      const found = this.held.get(sessionId) ?? null;
      await this.beforeReply();
      return found;
    },
    keep: (copy) => void this.held.set(copy.record.id, copy),
    bury: async (tombstones) => {
      for (const tombstone of tombstones) this.held.set(tombstone.sessionId, tombstone);
    },
  };

  readonly messenger: Messenger & { isConnected: boolean } = {
    isConnected: true,
    send: async (text) => void this.sent.push(text),
    answer: async () => undefined,
  };

  start(handlers: MessageHandlers): void {
    this.handlers = handlers;
  }

  async stop(): Promise<void> {
    this.handlers = null;
  }
}
