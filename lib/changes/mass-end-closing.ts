import type { ScopeChange } from '../model/mass-end.js';
import { describeError } from '../model/session-error.js';
import type { LifecycleEvents } from '../model/session-event.js';
import type { Clock } from '../ports/clock.js';
import type { MassEndRows } from '../ports/mass-end-rows.js';
import type { SessionRepository } from '../ports/session-repository.js';

/** Rows of one transaction. */
const PORTION = 500;

/** Closes the rows of mass ends in the background, at half the speed that the database allows. */
export class MassEndClosing {
  private running: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'noteAcknowledged'>;
      readonly massEndRows: MassEndRows;
      readonly events: LifecycleEvents;
      readonly clock: Pick<Clock, 'monotonic'>;
      readonly warn: (message: string) => void;
    },
  ) {}

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
    while (!this.stopped) {
      const startedAt = clock.monotonic();
      const ended = await massEndRows.close(PORTION);
      if (!ended) return;
      for (const { sessionId, userId, reason } of ended) {
        events.emit({ type: 'session.ended', sessionId, userId, reason });
      }
      await new Promise((resolve) => setTimeout(resolve, clock.monotonic() - startedAt));
    }
  }
}
