import type { SessionChange } from '../ports/node-registry.js';

/**
 * Keeps the latest version of every recently changed session, to check late replies of the database against. Keeps
 * changes for at least `keepMs`, at most twice that.
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

  /** Returns the lowest usable version of a copy; 0 for a session without recent changes. */
  versionOf(sessionId: string): number {
    return this.current.get(sessionId) ?? this.previous.get(sessionId) ?? 0;
  }
}
