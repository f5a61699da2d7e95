import { LRUCache } from 'lru-cache';
import type { Copy } from '../cluster/near-cache.js';
import type { SharedCache, SharedContext } from '../cluster/shared-cache.js';
import type { Tombstone } from '../model/session-change.js';
import type { RedisCommands, RedisKeys } from './redis-commands.js';
import { StoredSessions } from './stored-session.js';

/** Most writes in flight. Further ones are dropped, and cost a read of the database later. */
const MAX_WRITES = 500;
/** Tombstones per batch, few enough for the time limit of a command. */
const MAX_BURIALS = 100;
/** Most values kept parsed. */
const MAX_PARSED = 10_000;

type Found = Copy | Tombstone | null;

/** Read of a session, shared by all who ask for it in one turn. */
class Request {
  resolve!: (found: Found) => void;
  reject!: (error: unknown) => void;
  readonly found = new Promise<Found>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor(readonly sessionId: string) {}
}

export class RedisSessionCache implements SharedCache {
  /** Reads requested in this turn of the event loop, and not sent yet; null without any. */
  private requested: Map<string, Request> | null = null;
  /** Parsed values by session: comparing with the last text is cheaper than parsing again. */
  private readonly parsed = new LRUCache<string, { readonly value: string; readonly found: Found }>({
    max: MAX_PARSED,
  });
  private writes = 0;
  private readonly format: StoredSessions;

  constructor(
    private readonly parts: Pick<SharedContext, 'realm' | 'copyAgeMs' | 'tombstoneMs' | 'now'> & {
      readonly commands: RedisCommands;
      readonly keys: RedisKeys;
      /** Called when the connection returned the reply to another command. */
      readonly onMixUp: () => void;
    },
  ) {
    this.format = new StoredSessions(parts.realm);
  }

  read(sessionId: string): Promise<Found> {
    if (!this.requested) {
      this.requested = new Map();
      setImmediate(() => this.send());
    }
    let request = this.requested.get(sessionId);
    if (!request) this.requested.set(sessionId, (request = new Request(sessionId)));
    return request.found;
  }

  keep(copy: Copy): void {
    const { copyAgeMs, now } = this.parts;
    const usableMs = Math.min(copy.readAt + copyAgeMs, copy.record.usableUntil) - now();
    if (usableMs <= 0) return;
    void this.write(copy.record.id, this.format.writeCopy(copy), usableMs);
  }

  async bury(tombstones: readonly Tombstone[]): Promise<void> {
    for (let from = 0; from < tombstones.length; from += MAX_BURIALS) {
      const some = tombstones.slice(from, from + MAX_BURIALS);
      await Promise.all(
        some.map((one) => this.write(one.sessionId, this.format.writeTombstone(one), this.parts.tombstoneMs, Infinity)),
      );
    }
  }

  /** One command for many keys costs less than half of what a command for each does, here and in Redis. */
  private send(): void {
    const requests = [...this.requested!.values()];
    this.requested = null;
    const { maxKeys } = this.parts.commands;
    for (let from = 0; from < requests.length; from += maxKeys) {
      void this.answer(requests.slice(from, from + maxKeys));
    }
  }

  private async answer(requests: readonly Request[]): Promise<void> {
    const { commands, keys } = this.parts;
    try {
      const values: unknown = await commands.mget(requests.map(({ sessionId }) => keys.session(sessionId)));
      if (!Array.isArray(values) || values.length !== requests.length) throw this.mixedUp();
      for (const [index, request] of requests.entries()) {
        const value: unknown = values[index];
        request.resolve(typeof value === 'string' ? this.parse(request.sessionId, value) : null);
      }
    } catch (error) {
      for (const request of requests) request.reject(error);
    }
  }

  private mixedUp(): Error {
    this.parts.onMixUp();
    return new Error('Redis returned the reply to another command.');
  }

  private parse(sessionId: string, value: string): Found {
    const known = this.parsed.get(sessionId);
    if (known?.value === value) return known.found;
    const found = this.format.read(sessionId, value);
    if (found === 'foreign') throw this.mixedUp();
    this.parsed.set(sessionId, { value, found });
    return found;
  }

  private async write(sessionId: string, value: string, ttlMs: number, most = MAX_WRITES): Promise<void> {
    if (this.writes >= most) return;
    this.writes++;
    try {
      await this.parts.commands.putIfNewer(this.parts.keys.session(sessionId), value, ttlMs);
    } catch {
      // Costs one read of the database and nothing else.
    } finally {
      this.writes--;
    }
  }
}
