import type { SessionChange } from '../ports/node-registry.js';

/** How much longer than any copy a change is remembered: for reads under way, and for clocks. Milliseconds. */
const WINDOW_SLACK_MS = 30_000;

/** How long copies stay suspended after a change with an unknown outcome. Milliseconds. */
export const UNKNOWN_MS = 15_000;

/** W: how long changes are kept, so that every usable copy can be compared with them. Milliseconds. */
export function changeWindow(copyAgeMs: number): number {
  return copyAgeMs + WINDOW_SLACK_MS;
}

/** Remembers values for `keepMs`, or twice that: two generations, of which the older is dropped. Times are monotonic. */
export class RecentMap<V> {
  /** Time of the last loss of values that were younger than `keepMs`, because there were too many; -Infinity for none. */
  overflowedAt = -Infinity;
  private current = new Map<string, V>();
  private previous = new Map<string, V>();

  /** @param most values of a generation */
  constructor(
    private readonly keepMs: number,
    private readonly most: number,
    private turnedAt: number,
  ) {}

  get isEmpty(): boolean {
    return this.current.size === 0 && this.previous.size === 0;
  }

  get(key: string): V | undefined {
    return this.current.get(key) ?? this.previous.get(key);
  }

  set(key: string, value: V, now: number): void {
    const isFull = this.current.size >= this.most;
    if (now - this.turnedAt >= this.keepMs || isFull) {
      if (isFull && this.previous.size > 0) this.overflowedAt = now;
      this.previous = this.current;
      this.current = new Map();
      this.turnedAt = now;
    }
    this.current.set(key, value);
  }

  entries(): [string, V][] {
    return [...new Map([...this.previous, ...this.current])];
  }
}

/** Most changed sessions of a generation, some 50 MB. */
const MAX_CHANGES = 500_000;

/** Keeps the latest version of every session changed in the last `keepMs`, or twice that, to check late replies against. */
export class RecentChanges {
  private readonly versions: RecentMap<number>;

  constructor(keepMs: number, now: number, most = MAX_CHANGES) {
    this.versions = new RecentMap(keepMs, most, now);
  }

  /** Monotonic time before which no copy that was read can be compared with all changes that it needs; -Infinity for none. */
  get forgottenAt(): number {
    return this.versions.overflowedAt;
  }

  /** @param now monotonic milliseconds */
  add({ sessionId, version }: SessionChange, now: number): void {
    this.versions.set(sessionId, Math.max(version, this.versionOf(sessionId)), now);
  }

  /** Returns the lowest usable version of a copy; 0 for a session without recent changes. */
  versionOf(sessionId: string): number {
    return this.versions.get(sessionId) ?? 0;
  }
}

/** Most keys held until a poll. While polls fail, messages name ever more keys: beyond this number every key is held. */
const MAX_POLLED = 100_000;

/** Holds keys of sessions and accounts that may be changing now: copies of them may be stale before this node learns of it. */
export class HeldKeys {
  private readonly counts = new Map<string, number>();
  private readonly until = new Map<string, number>();
  /** Number of the last poll begun before each key was held. */
  private readonly polls = new Map<string, number>();
  private begunPolls = 0;
  /** The same for all keys at once; null if each is held by name. */
  private allSince: number | null = null;

  /** @param keepMs how long a key stays held after work with an unknown outcome */
  constructor(private readonly keepMs: number) {}

  get isEmpty(): boolean {
    return this.allSince === null && this.counts.size === 0 && this.until.size === 0 && this.polls.size === 0;
  }

  has(key: string, now: number): boolean {
    if (this.allSince !== null) return true;
    return this.counts.has(key) || this.polls.has(key) || (this.until.get(key) ?? -Infinity) > now;
  }

  hold(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  /** @param isKnown true if the outcome of the work is known @param now monotonic milliseconds */
  release(key: string, isKnown: boolean, now: number): void {
    const count = this.counts.get(key)! - 1;
    if (count > 0) this.counts.set(key, count);
    else this.counts.delete(key);
    // Oldest first.
    for (const [old, until] of this.until) {
      if (until > now) break;
      this.until.delete(old);
    }
    if (isKnown) return;
    this.until.delete(key);
    this.until.set(key, now + this.keepMs);
  }

  /** Holds a key until the next poll to begin is complete; that poll sees every earlier commit. */
  holdUntilPoll(key: string): void {
    if (this.allSince === null && (this.polls.size < MAX_POLLED || this.polls.has(key))) {
      this.polls.set(key, this.begunPolls);
    } else {
      this.allSince = this.begunPolls;
      this.polls.clear();
    }
  }

  /** @returns argument for `endPoll` */
  beginPoll(): number {
    return ++this.begunPolls;
  }

  endPoll(poll: number): void {
    if (this.allSince !== null && this.allSince < poll) this.allSince = null;
    for (const [key, begun] of this.polls) if (begun < poll) this.polls.delete(key);
  }
}
