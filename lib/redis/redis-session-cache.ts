import { LRUCache } from 'lru-cache';
import type { Copy } from '../cluster/near-cache.js';
import type { SharedCache, SharedContext } from '../cluster/shared-cache.js';
import { type Tombstone, isTombstone } from '../model/tombstone.js';
import type { RedisCommands, RedisKeys } from './redis-commands.js';
import { readStored, writeCopy, writeTombstone } from './stored-session.js';

/** Most writes under way at once; further ones are dropped, and cost a read of the database later. */
const MAX_WRITES = 500;
/** Tombstones in one batch: few enough to be answered within the time-out of a command. */
const MAX_BURIALS = 100;
/** Most values that are kept parsed. */
const MAX_PARSED = 10_000;

/** A value as it was last read, and what it says. */
interface Parsed {
  readonly value: string;
  readonly found: Copy | Tombstone | null;
}

/** Copies and tombstones in Redis, one key for each session. */
export class RedisSessionCache implements SharedCache {
  /** Reads that were asked for in one turn of the commands, and that turn. */
  private turn = -1;
  private reading = new Map<string, Promise<Copy | Tombstone | null>>();
  /** Values by session: comparing with the last one is cheaper than parsing again. */
  private readonly parsed = new LRUCache<string, Parsed>({ max: MAX_PARSED });
  private writes = 0;

  /** @param onMixUp the connection has handed out the reply to another question */
  constructor(
    private readonly commands: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly context: Pick<SharedContext, 'copyAgeMs' | 'tombstoneMs' | 'now'>,
    private readonly onMixUp: () => void,
  ) {}

  read(sessionId: string): Promise<Copy | Tombstone | null> {
    const { turn } = this.commands;
    if (turn !== this.turn) {
      this.turn = turn;
      // Not clear(): a table that was cleared is linked to the next one, and keeps it from an early collection.
      this.reading = new Map();
    }
    let reading = this.reading.get(sessionId);
    if (!reading) {
      reading = this.commands.get(this.keys.session(sessionId)).then(
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
    const { copyAgeMs, now } = this.context;
    const usableMs = Math.min(copy.readAt + copyAgeMs, copy.record.usableUntil) - now();
    if (usableMs <= 0) return;
    void this.write(copy.record.id, writeCopy(copy), usableMs);
  }

  async bury(tombstones: readonly Tombstone[]): Promise<void> {
    for (let from = 0; from < tombstones.length; from += MAX_BURIALS) {
      const some = tombstones.slice(from, from + MAX_BURIALS);
      await Promise.all(
        some.map((one) => this.write(one.sessionId, writeTombstone(one), this.context.tombstoneMs, Infinity)),
      );
    }
  }

  private parse(sessionId: string, value: string): Copy | Tombstone | null {
    const known = this.parsed.get(sessionId);
    if (known?.value === value) return known.found;
    const found = readStored(value);
    if (found && sessionId !== (isTombstone(found) ? found.sessionId : found.record.id)) {
      this.onMixUp();
      throw new Error('Redis answered another question.');
    }
    this.parsed.set(sessionId, { value, found });
    return found;
  }

  private async write(sessionId: string, value: string, ttlMs: number, most = MAX_WRITES): Promise<void> {
    if (this.writes >= most) return;
    this.writes++;
    try {
      await this.commands.putIfNewer(this.keys.session(sessionId), value, ttlMs);
    } catch {
      // It costs a read of the database, and nothing else.
    } finally {
      this.writes--;
    }
  }
}
