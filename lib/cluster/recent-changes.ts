import type { SessionChange } from '../ports/node-registry.js';

/**
 * The latest version of every session that changed lately: what a late reply of the database must be measured against.
 * Changes are kept for at least `keepMs` and dropped within twice that.
 */
export class RecentChanges {
  private current = new Map<string, number>();
  private previous = new Map<string, number>();
  private turnedAt: number;

  constructor(
    private readonly keepMs: number,
    now: number,
  ) {
    this.turnedAt = now;
  }

  /** @param now monotonic milliseconds */
  add({ sessionId, version }: SessionChange, now: number): void {
    if (now - this.turnedAt >= this.keepMs) {
      this.previous = this.current;
      this.current = new Map();
      this.turnedAt = now;
    }
    this.current.set(sessionId, Math.max(version, this.versionOf(sessionId)));
  }

  /** The lowest version that a copy must have; 0 for a session that has not changed lately. */
  versionOf(sessionId: string): number {
    return this.current.get(sessionId) ?? this.previous.get(sessionId) ?? 0;
  }
}
