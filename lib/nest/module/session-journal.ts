import { LRUCache } from 'lru-cache';
import type { Clock } from '../../ports/clock.js';
import type { JournalRepository } from '../../ports/journal-repository.js';
import { EventBatch } from '../../journal/failed-logins.js';
import { SightingRecorder } from '../../journal/sighting-recorder.js';
import { StatisticRecorder } from '../../journal/statistic-recorder.js';
import type { JournalPurge } from '../../database/journal/journal-purge.js';
import type { Retention } from './resolve-options.js';

/** Most sightings of which is remembered when they were written; of others, more is written than need be. */
const MAX_WRITTEN = 50_000;
/** Longest time that one sweep spends on removing old journal. */
const PURGE_MS = 5000;

/** Writes what operators read later: in batches, beside the requests, and the first to be dropped under load. */
export class SessionJournal {
  /** Null where the module is to note none. */
  readonly sightings: SightingRecorder | null;
  readonly events: EventBatch;
  readonly statistics: StatisticRecorder;
  private readonly purging: JournalPurge;
  private readonly retention: Retention;
  private readonly clock: Clock;

  constructor(parts: {
    readonly repository: JournalRepository;
    readonly purging: JournalPurge;
    readonly retention: Retention;
    readonly clock: Clock;
    /** Time between two notes of one session at one address, in milliseconds; null to note none. */
    readonly sightingMs: number | null;
  }) {
    const { repository, sightingMs, clock } = parts;
    // With `max` it would make place for all of them at once, in some 15 ms of each start.
    const written = new LRUCache<string, number>({ maxSize: MAX_WRITTEN, sizeCalculation: () => 1 });
    this.sightings = sightingMs === null ? null : new SightingRecorder(repository, written, sightingMs);
    this.events = new EventBatch(repository);
    this.statistics = new StatisticRecorder(repository, clock);
    this.purging = parts.purging;
    this.retention = parts.retention;
    this.clock = clock;
  }

  /** Writes what is pending. Never rejects. */
  async flush(): Promise<void> {
    await Promise.all([this.sightings?.flush(), this.events.flush(), this.statistics.flush()]);
  }

  /** Writes pending events. @throws Error if some were dropped */
  flushEvents(): Promise<void> {
    return this.orSayWhatWasLost(() => this.events.flush());
  }

  /** Writes pending sightings and statistics. @throws Error if some were dropped */
  flushOthers(): Promise<void> {
    return this.orSayWhatWasLost(async () => {
      await this.statistics.countLive();
      await Promise.all([this.sightings?.flush(), this.statistics.flush()]);
    });
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
    if (this.dropped > before) throw new Error(`${this.dropped - before} entries were dropped`);
  }
}
