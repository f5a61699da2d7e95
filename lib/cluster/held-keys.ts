/** Most keys that wait for a poll. While polls fail, messages of others go on to name more: beyond this every key is held. */
const MAX_POLLED = 100_000;

/**
 * Keys of sessions and accounts whose records may be changing right now: what is remembered of them may be out of date
 * before this node hears of it.
 */
export class HeldKeys {
  private readonly counts = new Map<string, number>();
  private readonly until = new Map<string, number>();
  /** Which poll was the last to have begun when the key was held. */
  private readonly polls = new Map<string, number>();
  private begunPolls = 0;
  /** The same of all keys; null if each is known by name. */
  private allSince: number | null = null;

  /** @param keepMs how long a key stays held after work whose outcome is not known */
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

  /** @param isKnown whether the outcome of the work is. @param now monotonic milliseconds */
  release(key: string, isKnown: boolean, now: number): void {
    const count = this.counts.get(key)! - 1;
    if (count > 0) this.counts.set(key, count);
    else this.counts.delete(key);
    // The oldest stands first.
    for (const [old, until] of this.until) {
      if (until > now) break;
      this.until.delete(old);
    }
    if (isKnown) return;
    this.until.delete(key);
    this.until.set(key, now + this.keepMs);
  }

  /** Holds a key until a poll that has not begun yet is complete, which then knows of all that was recorded before. */
  holdUntilPoll(key: string): void {
    if (this.allSince === null && (this.polls.size < MAX_POLLED || this.polls.has(key))) {
      this.polls.set(key, this.begunPolls);
    } else {
      this.allSince = this.begunPolls;
      this.polls.clear();
    }
  }

  /** @returns what `endPoll` is to be given when the poll is complete */
  beginPoll(): number {
    return ++this.begunPolls;
  }

  endPoll(poll: number): void {
    if (this.allSince !== null && this.allSince < poll) this.allSince = null;
    for (const [key, begun] of this.polls) if (begun < poll) this.polls.delete(key);
  }
}
