import type { ActivityRecorder } from '../journal/activity-recorder.js';
import { type Changes, changesOf } from '../changes/commit.js';
import { idleMsOf } from '../model/session-life.js';
import type { RotationRules } from '../rules/rotation.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { CopiedRecord, SessionRecord } from '../model/session.js';

/** Ends sessions that no use can save: neither one that another node has yet to write, nor one that was lost. */
export class IdleTimeout {
  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'changeSession'>;
      readonly activity: ActivityRecorder;
      readonly changes: Changes;
      readonly rules: RotationRules;
      readonly budgetMs: number;
    },
  ) {}

  /** Tells if a session is idle beyond doubt. @param now milliseconds since the epoch */
  isOver(record: CopiedRecord, now: number): boolean {
    const { activity, rules } = this.parts;
    const lastUse = Math.max(activity.lastUse(record), activity.lostAt);
    return now >= lastUse + idleMsOf(record, rules) + rules.idleSlackMs;
  }

  /** Ends a session if its current record is idle, and returns the record afterwards. */
  async end(id: string): Promise<SessionRecord | null> {
    const { changes, repository, rules, budgetMs } = this.parts;
    const { record } = await changes.commit({
      holding: [id],
      transaction: () =>
        repository.changeSession(
          id,
          (current, _account, now) => {
            if (!current || current.end || !this.isOver(current, now)) return { result: null };
            const at = current.lastSeenAt + idleMsOf(current, rules);
            return { result: null, end: { reason: 'SESSION_IDLE', by: 'system', at } };
          },
          { budgetMs },
        ),
      // Every node asks the database about an idle session, whatever its copy says.
      outcomeOf: (step) => ({ ...changesOf(step), reach: 'applied' }),
    });
    return record;
  }
}
