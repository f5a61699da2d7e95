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

  /** @param keepMs how long a key stays held after work whose outcome is not known */
  constructor(private readonly keepMs: number) {}

  has(key: string, now: number): boolean {
    if (this.counts.size === 0 && this.until.size === 0 && this.polls.size === 0) return false;
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
    for (const [old, until] of this.until) if (until <= now) this.until.delete(old);
    if (!isKnown) this.until.set(key, now + this.keepMs);
  }

  /** Holds a key until a poll that has not begun yet is complete, which then knows of all that was recorded before. */
  holdUntilPoll(key: string): void {
    this.polls.set(key, this.begunPolls);
  }

  /** @returns what `endPoll` is to be given when the poll is complete */
  beginPoll(): number {
    return ++this.begunPolls;
  }

  endPoll(poll: number): void {
    for (const [key, begun] of this.polls) if (begun < poll) this.polls.delete(key);
  }
}
