import { LRUCache } from 'lru-cache';
import type { Clock } from '../../ports/clock.js';
import type { JournalRepository } from '../../ports/journal-repository.js';
import { EventBatch } from '../../journal/failed-logins.js';
import { SightingRecorder } from '../../journal/sighting-recorder.js';
import { StatisticRecorder } from '../../journal/statistic-recorder.js';
import type { JournalPurge, PurgeTimes } from '../../database/journal/journal-purge.js';
import type { Retention } from './resolve-options.js';

/** Most sightings of which is remembered when they were written; of others, more is written than need be. */
const MAX_WRITTEN = 50_000;
/** Longest time that one sweep spends on removing old journal. */
const PURGE_MS = 5000;

/** Writes what operators read later: in batches, beside the requests, and the first to be dropped under load. */
export class SessionJournal {
  /** Null without the option `sightings`. */
  readonly sightings: SightingRecorder | null;
  readonly events: EventBatch;
  readonly statistics: StatisticRecorder;

  constructor(
    private readonly parts: {
      readonly repository: JournalRepository;
      readonly purging: JournalPurge;
      readonly retention: Retention;
      readonly clock: Clock;
      /** Records one session at one address once in this time, in milliseconds; null records none. */
      readonly sightingMs: number | null;
    },
  ) {
    const { repository, sightingMs, clock } = parts;
    // With `max` it would make place for all of them at once, in some 15 ms of each start.
    const written = new LRUCache<string, number>({ maxSize: MAX_WRITTEN, sizeCalculation: () => 1 });
    this.sightings = sightingMs === null ? null : new SightingRecorder(repository, written, sightingMs);
    this.events = new EventBatch(repository);
    this.statistics = new StatisticRecorder(repository, clock);
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
    const { clock, purging, retention } = this.parts;
    const now = clock.now();
    const deadline = clock.monotonic() + PURGE_MS;
    const times = Object.entries(retention).map(([name, keptMs]) => [name, keptMs === null ? null : now - keptMs]);
    await purging.run(Object.fromEntries(times) as PurgeTimes, () => clock.monotonic() < deadline);
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
