import type { Clock } from '../ports/clock.js';
import type { LifecycleEvent, LifecycleEvents } from '../model/session-event.js';
import type { JournalRepository, StatisticAmount, StatisticKind } from '../ports/journal-repository.js';
import { writeInChunks } from '../async/batches.js';

const HOUR_MS = 3_600_000;
/** Interval at which live sessions are counted. */
const COUNT_INTERVAL_MS = 300_000;
/** Most device types counted separately per hour, since clients may name any number; the others count as `other`. */
const MAX_DEVICE_TYPES = 50;

/** Counts events by the hour. A failed batch is lost, since it may have been written: better too low a count than too high. */
export class StatisticRecorder implements LifecycleEvents {
  private pending = new Map<string, StatisticAmount>();
  private flushing: Promise<void> = Promise.resolve();
  private hour = 0;
  private readonly deviceTypes = new Set<string>();
  private countedAt = -Infinity;
  /** Events lost because a write failed. */
  dropped = 0;

  constructor(
    private readonly repository: Pick<JournalRepository, 'addStatistics' | 'countLive'>,
    private readonly clock: Clock,
  ) {}

  /** Counts logins (impersonations excepted), ends and failed logins. */
  emit(event: LifecycleEvent): void {
    if (event.type === 'session.login' && event.impersonator === null) this.count('login', event.deviceType);
    else if (event.type === 'session.ended') this.count('end', event.reason);
    else if (event.type === 'account.login-failed') this.count('failed-login', event.reason);
  }

  /** Counts live sessions when due. Skips a failed count. Never rejects. */
  async countLive(): Promise<void> {
    const now = this.clock.now();
    if (now - this.countedAt < COUNT_INTERVAL_MS) return;
    this.countedAt = now;
    const live = await this.repository.countLive().catch(() => null);
    if (live !== null) this.put(hourOf(now), 'online', '', (known) => Math.max(known, live));
  }

  /** Writes pending counts, after any running flush. Never rejects. */
  flush(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write()));
  }

  private count(kind: StatisticKind, name: string | null): void {
    const hour = hourOf(this.clock.now());
    this.put(hour, kind, kind === 'login' ? this.deviceType(hour, name) : (name ?? ''), (known) => known + 1);
  }

  private deviceType(hour: number, name: string | null): string {
    if (hour !== this.hour) this.deviceTypes.clear();
    this.hour = hour;
    if (name === null || this.deviceTypes.has(name)) return name ?? '';
    if (this.deviceTypes.size >= MAX_DEVICE_TYPES) return 'other';
    this.deviceTypes.add(name);
    return name;
  }

  private put(hour: number, kind: StatisticKind, name: string, grow: (known: number) => number): void {
    const key = `${hour} ${kind} ${name}`;
    this.pending.set(key, { hour, kind, name, amount: grow(this.pending.get(key)?.amount ?? 0) });
  }

  private async write(): Promise<void> {
    // Sorted, so that nodes that write concurrently lock rows in the same order.
    const batch = [...this.pending].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, amount]) => amount);
    this.pending = new Map();
    const lost = await writeInChunks(batch, (chunk) => this.repository.addStatistics(chunk));
    for (const { kind, amount } of lost) if (kind !== 'online') this.dropped += amount;
  }
}

function hourOf(at: number): number {
  return at - (at % HOUR_MS);
}
