import type { Changes } from '../../changes/commit.js';
import { changeWindow } from '../../cluster/cache-coherence.js';
import type { NodePresence } from '../../cluster/node-presence.js';
import type { ActivityRecorder } from '../../journal/activity-recorder.js';
import type { Clock } from '../../ports/clock.js';
import { idleSlack } from '../../services/create-services.js';
import type { NodeRegistry } from '../../ports/node-registry.js';
import type { SessionRepository } from '../../ports/session-repository.js';
import type { EndedSession } from '../../model/tombstone.js';
import type { Timing } from '../../model/timing.js';
import type { SessionRecords } from './session-records.js';

const BATCH = 200;
/** For how much longer than necessary old changes, and rows of nodes, are kept. */
const PURGE_SLACK_MS = 60_000;

export interface SessionSweepParts {
  readonly repository: SessionRepository;
  readonly nodeRegistry: NodeRegistry;
  readonly presence: Pick<NodePresence, 'steadyMs'>;
  readonly records: SessionRecords;
  readonly activity: ActivityRecorder;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly timing: Timing;
  /** Milliseconds; null for no idle timeout. */
  readonly idleMs: number | null;
}

/** Ends what is overdue or idle, so that lists and limits are right though nobody comes back, and forgets what is old. */
export class SessionSweep {
  constructor(private readonly parts: SessionSweepParts) {}

  async run(): Promise<void> {
    const { repository, records, activity, clock, timing, idleMs } = this.parts;
    await this.endAll(() => repository.endOverdueSessions(BATCH));
    if (idleMs !== null) {
      await activity.flush();
      const slackMs = idleSlack(timing);
      if (clock.now() >= activity.lostAt + idleMs + slackMs) {
        await this.endAll(() => repository.endIdleSessions(idleMs, slackMs, BATCH));
      }
    }
    await this.purgeChanges();
    await records.purge();
  }

  /**
   * Where the clock of the database was set, times of changes say nothing about how long they have been there, and a node that
   * has just begun cannot know: none is forgotten until all of them are old enough by the time for which this node has watched
   * that clock. Those that bear a time of the future are from before.
   */
  private async purgeChanges(): Promise<void> {
    const { nodeRegistry, presence, clock, timing } = this.parts;
    const keepMs = changeWindow(timing.copyAge) + PURGE_SLACK_MS;
    if (presence.steadyMs < keepMs) return;
    const now = clock.now();
    await nodeRegistry.purge(now - keepMs, now + PURGE_SLACK_MS);
  }

  private async endAll(endSome: () => Promise<readonly EndedSession[]>): Promise<void> {
    for (;;) {
      const ended = await this.parts.changes.commit({
        holding: [],
        transaction: endSome,
        // Every node refuses by the clock what is overdue, and asks the database about what is idle, whatever it remembers.
        outcomeOf: (ends) => ({ ended: ends, reach: 'applied' }),
      });
      if (ended.length < BATCH) return;
    }
  }
}
