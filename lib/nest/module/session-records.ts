import { LRUCache } from 'lru-cache';
import type { Clock } from '../../ports/clock.js';
import { EventBatch } from '../../journal/failed-logins.js';
import { PeriodicTask } from '../../async/periodic-task.js';
import { SightingRecorder } from '../../journal/sighting-recorder.js';
import { StatisticRecorder } from '../../journal/statistic-recorder.js';
import type { Timing } from '../../model/timing.js';
import type { Database } from '../../database/engine/database.js';
import { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import { RecordPurge } from '../../database/journal/record-purge.js';
import { SightingQueries } from '../../database/lists/sighting-queries.js';
import { StatisticQueries } from '../../database/lists/statistic-queries.js';
import { SqlJournalRepository } from '../../database/journal/sql-journal-repository.js';
import type { Retention } from './retention-options.js';
import type { ResolvedOptions } from './session-options.js';

/** Most sightings of which is remembered when they were written; of others, more is written than need be. */
const MAX_WRITTEN = 50_000;
/** Events are written soon: they are few, and an operator may be watching. */
const EVENT_FLUSH_MS = 1000;
/** Longest time that one sweep spends on removing old records. */
const PURGE_MS = 5000;

/** What operators read later: written in batches, beside the requests, and the first to be dropped when there is trouble. */
export class SessionRecords {
  /** Null where the module is to note none. */
  readonly sightings: SightingRecorder | null;
  readonly events: EventBatch;
  readonly statistics: StatisticRecorder;
  readonly sightingQueries: SightingQueries;
  readonly failedLoginQueries: FailedLoginQueries;
  readonly statisticQueries: StatisticQueries;
  private readonly purging: RecordPurge;
  private readonly retention: Retention;

  constructor(
    { engine, tables }: Database,
    options: Pick<ResolvedOptions, 'realm' | 'sightings' | 'retention'>,
    timing: Timing,
    private readonly clock: Clock,
  ) {
    const { realm, retention } = options;
    // Half of the time of an end: what is under way when the application is closed, and what comes after it, take no more.
    const budgetMs = timing.endBudget / 2;
    const repository = new SqlJournalRepository(engine, tables, realm, clock, budgetMs);
    // With `max` it would make place for all of them at once, in some 15 ms of each start.
    const written = new LRUCache<string, number>({ maxSize: MAX_WRITTEN, sizeCalculation: () => 1 });
    this.sightings = options.sightings ? new SightingRecorder(repository, written, timing.sightingInterval) : null;
    this.events = new EventBatch(repository);
    this.statistics = new StatisticRecorder(repository, clock);
    const precisionMs = timing.sightingInterval + timing.activityFlush;
    const scope = { engine, tables, realm, clock, budgetMs: timing.endBudget };
    this.sightingQueries = new SightingQueries(scope, precisionMs);
    this.failedLoginQueries = new FailedLoginQueries(scope);
    this.statisticQueries = new StatisticQueries(scope);
    this.purging = new RecordPurge(engine, tables, realm, budgetMs);
    this.retention = retention;
  }

  /** The work to be done while the application runs. @param report see PeriodicTask */
  tasks(
    { activityFlush }: Timing,
    report: (task: string) => (failure: { readonly error: unknown } | null) => void,
  ): readonly PeriodicTask[] {
    const events = () => this.orSayWhatWasLost(() => this.events.flush());
    const others = () =>
      this.orSayWhatWasLost(async () => {
        await this.statistics.countLive();
        await Promise.all([this.sightings?.flush(), this.statistics.flush()]);
      });
    return [
      new PeriodicTask(events, Math.min(EVENT_FLUSH_MS, activityFlush), report('Writing events')),
      new PeriodicTask(others, activityFlush, report('Writing sightings and statistics')),
    ];
  }

  /** Writes what is pending. Never rejects. */
  async flush(): Promise<void> {
    await Promise.all([this.sightings?.flush(), this.events.flush(), this.statistics.flush()]);
  }

  /** Removes what is older than it is to be kept, as far as there is time. */
  async purge(): Promise<void> {
    const now = this.clock.now();
    const before = (keptMs: number | null) => (keptMs === null ? null : now - keptMs);
    const { endedSessions, events, sightings, statistics } = this.retention;
    const deadline = this.clock.monotonic() + PURGE_MS;
    const times = {
      endedSessions: before(endedSessions),
      events: before(events),
      sightings: before(sightings),
      statistics: before(statistics),
    };
    await this.purging.run(times, () => this.clock.monotonic() < deadline);
  }

  private get dropped(): number {
    return (this.sightings?.dropped ?? 0) + this.events.dropped + this.statistics.dropped;
  }

  private async orSayWhatWasLost(write: () => Promise<void>): Promise<void> {
    const before = this.dropped;
    await write();
    if (this.dropped > before) throw new Error(`${this.dropped - before} records were dropped`);
  }
}
