import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Subject } from 'rxjs';
import { PeriodicTask } from '../../async/periodic-task.js';
import { SESSION_EVENT_TYPES, type SessionEvent, type SessionEventType } from '../../model/session-event.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { timeOfEvent } from '../../database/transactions/audit.js';
import { SessionQueries } from '../../database/lists/session-queries.js';
import { describeError, SessionError } from '../../model/session-error.js';
import { type KnownSummary, OnlineSummaries } from '../lists/online-counts.js';
import { type ShownUser, UserDirectory } from '../lists/user-directory.js';
import { checksum } from '../lists/cursor.js';

/** Changes, with the names of their users. */
export interface LiveChanges {
  /** Ordered by id, without duplicates. */
  readonly events: readonly SessionEvent[];
  readonly users: ReadonlyMap<string, ShownUser>;
}

/** Overflow: there are more changes than can be listed. */
export type LiveNews =
  | ({ readonly kind: 'changes' } & LiveChanges)
  | { readonly kind: 'overflow' }
  | { readonly kind: 'online'; readonly summary: KnownSummary }
  | { readonly kind: 'beat' };

/** Renewals are frequent and change nothing that is displayed. */
const TYPES: readonly SessionEventType[] = SESSION_EVENT_TYPES.filter(
  (type) => !['TOKEN_RENEWED', 'REAUTHENTICATED', 'EXPORTED'].includes(type),
);
const LOOK_MS = 1000;
const COUNT_MS = 2000;
const BEAT_MS = 15_000;
const MAX_CHANGES = 200;
/** How far back each query reaches: transactions do not commit in the order of their times. */
const LOOK_BACK_MS = 10_000;

/** Streams the changes of all nodes from the audit trail, with one small query a second per node while anyone watches. */
@Injectable()
export class LiveFeed implements OnModuleDestroy {
  private readonly logger = new Logger('SessionAdminModule');
  private readonly news = new Subject<LiveNews>();
  private readonly tasks: readonly PeriodicTask[];
  private watchers = 0;
  /** Recently sent events with their times. */
  private told = new Map<string, number>();
  private shown = '';
  /** Start of the feed: earlier events are not sent. Milliseconds since the epoch. */
  private since = 0;

  constructor(
    private readonly queries: SessionQueries,
    private readonly summaries: OnlineSummaries,
    private readonly runtime: SessionRuntime,
    private readonly users: UserDirectory,
  ) {
    const report = (failure: { readonly error: unknown } | null) => {
      const news = failure ? `failed: ${describeError(failure.error)}` : 'has recovered.';
      this.logger.warn(`The live feed ${news}`);
    };
    this.tasks = [
      new PeriodicTask(() => this.look(), LOOK_MS, report),
      new PeriodicTask(() => this.count(), COUNT_MS, report),
      new PeriodicTask(async () => this.news.next({ kind: 'beat' }), BEAT_MS, report),
    ];
  }

  async onModuleDestroy(): Promise<void> {
    this.news.complete();
    await Promise.all(this.tasks.map((task) => task.stop()));
  }

  /** Sends all changes from now on, or from after a recent event. @returns function that stops watching */
  watch(tell: (news: LiveNews) => void, end: () => void, lastEventId: string | null): () => void {
    // Missed changes precede new ones.
    let told = Promise.resolve();
    const next = (news: LiveNews) => void (told = told.then(() => tell(news)));
    const subscription = this.news.subscribe({ next, complete: end });
    if (this.watchers++ === 0) this.start(lastEventId);
    void this.send(tell, 'the online count', this.online());
    if (lastEventId !== null) told = this.send(tell, 'missed changes', this.missedSince(lastEventId));
    return () => {
      subscription.unsubscribe();
      if (--this.watchers === 0) void Promise.all(this.tasks.map((task) => task.stop()));
    };
  }

  private start(lastEventId: string | null): void {
    this.told = new Map();
    const now = this.runtime.clock.now();
    // Lists show what came before the watch. Some of what a watcher missed may not be committed yet.
    const missedFrom = lastEventId === null ? now : Math.max(timeOfEvent(lastEventId), now - LOOK_BACK_MS);
    this.since = Math.min(now, missedFrom);
    for (const task of this.tasks) task.start();
  }

  private async missedSince(lastEventId: string): Promise<LiveNews> {
    const portion = { from: [lastEventId], backwards: true, limit: MAX_CHANGES + 1 };
    const missed = await this.queries.events({ types: TYPES }, portion);
    return missed.length > MAX_CHANGES ? { kind: 'overflow' } : this.changes([...missed].reverse());
  }

  private async online(): Promise<LiveNews> {
    return { kind: 'online', summary: await this.summaries.get() };
  }

  /** Best effort. @param name what errors call the news */
  private send(tell: (news: LiveNews) => void, name: string, news: Promise<LiveNews>): Promise<void> {
    return news.then(tell).catch((error: unknown) => {
      this.logger.debug(`Could not send ${name} to a watcher: ${describeError(error)}`);
    });
  }

  private async look(): Promise<void> {
    const from = Math.max(this.since, this.runtime.clock.now() - LOOK_BACK_MS);
    const portion = { from: null, backwards: false, limit: MAX_CHANGES + this.told.size + 1 };
    const events = await this.queries.events({ types: TYPES, from }, portion);
    const unknown = events.filter(({ id }) => !this.told.has(id));
    for (const { id, at } of unknown) this.told.set(id, at);
    if (unknown.length <= MAX_CHANGES) {
      if (unknown.length > 0) this.news.next(await this.changes(unknown.reverse()));
    } else {
      // The watcher reloads, so nothing earlier needs to be sent.
      this.since = unknown[0]!.at;
      this.news.next({ kind: 'overflow' });
    }
    for (const [id, at] of this.told) if (at < Math.max(this.since, from)) this.told.delete(id);
  }

  /** Looks up names once for all watchers. */
  private async changes(events: readonly SessionEvent[]): Promise<LiveNews> {
    return { kind: 'changes', events, users: await this.users.describe(events.flatMap(({ userId }) => userId ?? [])) };
  }

  private async count(): Promise<void> {
    const summary = await this.summaries.get();
    const text = JSON.stringify({ ...summary, isEstimate: undefined });
    if (text === this.shown) return;
    this.shown = text;
    this.news.next({ kind: 'online', summary });
  }
}

/** Id of messages before the first change. */
const NOWHERE = '0';

/** Id of the last change, null for none, with a checksum that detects ids which were not issued here. */
export function messageId(realm: string, eventId: string | null): string {
  return eventId === null ? NOWHERE : eventId + checksum(JSON.stringify([realm, 'live']), eventId, 'hex');
}

/** Returns the last change that a client has received. @throws SessionError CURSOR_INVALID */
export function lastChange(realm: string, lastEventId: string | undefined): string | null {
  if (lastEventId === undefined || lastEventId === '' || lastEventId === NOWHERE) return null;
  const eventId = /^[0-9a-f]{32}/.exec(lastEventId)?.[0] ?? null;
  if (eventId === null || messageId(realm, eventId) !== lastEventId) throw new SessionError('CURSOR_INVALID');
  return eventId;
}

/** Response of the HTTP adapter: Node's, or a wrapper of it. */
export interface LiveResponse {
  readonly raw?: LiveResponse;
  readonly writableNeedDrain?: boolean;
  destroy?(): unknown;
}

/** Unread heartbeats, some 15 s each, after which a reader is dropped. */
const MAX_UNREAD_BEATS = 2;

/** A reader who misses what comes while the connection is full, learns of that later, and is dropped if it never reads. */
export class LiveReader {
  private readonly response: LiveResponse;
  private hasMissed = false;
  private unreadBeats = 0;

  constructor(response: LiveResponse) {
    this.response = response.raw ?? response;
  }

  /** @returns true if this kind of message can be sent; calls `onMissed` first when it can again */
  takes(kind: string, onMissed: () => void): boolean {
    if (this.response.writableNeedDrain === true) {
      this.hasMissed = true;
      if (kind === 'beat' && ++this.unreadBeats >= MAX_UNREAD_BEATS) this.response.destroy?.();
      return false;
    }
    this.unreadBeats = 0;
    if (this.hasMissed) {
      this.hasMissed = false;
      onMissed();
    }
    return true;
  }
}
