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

export class RedisSessionCache implements SharedCache {
  /** Reads requested in one turn of the commands, and that turn. */
  private turn = -1;
  private reading = new Map<string, Promise<Found>>();
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
    const { turn } = this.parts.commands;
    if (turn !== this.turn) {
      this.turn = turn;
      // Not clear(): a cleared table is linked to its successor, which delays its collection.
      this.reading = new Map();
    }
    let reading = this.reading.get(sessionId);
    if (!reading) {
      reading = this.parts.commands.get(this.parts.keys.session(sessionId)).then(
        (value) => (value === null ? null : this.parse(sessionId, value)),
        (error: unknown) => {
          // It may never have been part of a turn.
          this.reading.delete(sessionId);
          throw error;
        },
      );
      this.reading.set(sessionId, reading);
    }
    return reading;
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

  private parse(sessionId: string, value: string): Found {
    const known = this.parsed.get(sessionId);
    if (known?.value === value) return known.found;
    const found = this.format.read(sessionId, value);
    if (found === 'foreign') {
      this.parts.onMixUp();
      throw new Error('Redis returned the reply to another command.');
    }
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
