import type { ScopeChange } from '../model/mass-end.js';
import { describeError } from '../model/session-error.js';
import type { LifecycleEvents } from '../model/session-event.js';
import type { Clock } from '../ports/clock.js';
import type { MassEndRows } from '../ports/mass-end-rows.js';
import type { SessionRepository } from '../ports/session-repository.js';

/** Rows of one transaction. */
const PORTION = 200;
/** How many times as long as a portion took nothing is done after it, so that others are not held up. */
const REST = 2;

/** Closes the rows of mass ends in the background, at a third of the speed that the database allows. */
export class MassEndClosing {
  private running: Promise<void> | null = null;
  private stopped = false;
  private oldestAt: number | null | undefined;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'noteAcknowledged'>;
      readonly massEndRows: MassEndRows;
      readonly events: LifecycleEvents;
      readonly clock: Pick<Clock, 'now' | 'monotonic'>;
      readonly warn: (message: string) => void;
    },
  ) {}

  /** Age of the oldest mass end that has rows to close, as last read, in milliseconds; 0 for none, null before the first read. */
  get oldestMs(): number | null {
    if (this.oldestAt === undefined) return null;
    return this.oldestAt === null ? 0 : Math.max(0, this.parts.clock.now() - this.oldestAt);
  }

  /** Follows a mass end that every node knows of. Does not wait: what fails is done by the next run, of any node. */
  closeAcknowledged(change: ScopeChange): void {
    const { repository, warn } = this.parts;
    void repository
      .noteAcknowledged(change)
      .then(() => this.run())
      .catch((error: unknown) => warn(`Closing ended sessions failed: ${describeError(error)}`));
  }

  /** Closes what no other node is closing. Callers share a run. */
  run(): Promise<void> {
    return (this.running ??= this.closeAll().finally(() => (this.running = null)));
  }

  /** Resolves when the current portion is done. The rest is for other nodes, or the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running?.catch(() => undefined);
  }

  private async closeAll(): Promise<void> {
    const { massEndRows, events, clock } = this.parts;
    await this.look();
    while (!this.stopped) {
      const startedAt = clock.monotonic();
      const ended = await massEndRows.close(PORTION);
      if (ended?.length === 0) await this.look();
      if (!ended) return;
      for (const { sessionId, userId, reason } of ended) {
        events.emit({ type: 'session.ended', sessionId, userId, reason });
      }
      await new Promise((resolve) => setTimeout(resolve, REST * (clock.monotonic() - startedAt)));
    }
  }

  private async look(): Promise<void> {
    this.oldestAt = await this.parts.massEndRows.oldest();
  }
}
