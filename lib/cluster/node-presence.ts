import { type Clock, SynchronizedClock } from '../ports/clock.js';
import {
  LATE_COMMIT_MS,
  type NodeRow,
  type NodeRegistry,
  type PollResult,
  type SessionChange,
} from '../ports/node-registry.js';
import type { NodeWatch } from './node-watch.js';

export interface PresenceSettings {
  /** 32 hex digits, new for every start. */
  readonly nodeId: string;
  /** Whether there is any cache that this node could use. */
  readonly canCache: boolean;
  /** Whether it has a way to hear messages of other nodes. */
  readonly messaging: boolean;
  /** D: with polls working, no copy is used if the last one began longer ago. */
  readonly pollFreshnessMs: number;
  /** max(D, G): the same while polls fail. A node that has been silent for this long uses no copy. */
  readonly silenceMs: number;
  /** W: changes of this long are known before a copy is used. */
  readonly windowMs: number;
}

/** What a presence tells of. */
export interface PresenceHandlers {
  /** Whether messages of other nodes reach this one now. */
  readonly isConnected: () => boolean;
  /** A poll begins. @returns what `onPolled` is given when it is complete */
  readonly onPoll: () => number;
  readonly onPolled: (poll: number, changes: readonly SessionChange[]) => void;
  /** What is remembered may not be used any more. */
  readonly onInactive: () => void;
}

/** A larger difference to what the clock of the database should show means that it was set. */
const CLOCK_STEP_MS = 1000;
/**
 * How much sooner a node stops using copies than others believe: a part of the time, and at most this. The monotonic clock may
 * have lost as much, since it stands still while a machine is suspended.
 */
const MARGIN_MS = 250;
const MARGIN_SHARE = 8;

/**
 * This node among the others: it polls, and so knows who is there, what has changed, and whether it may go by what it
 * remembers (architecture.md, "Freshness"). With messages it may as long as every node there takes part in them. Without, it
 * may only while it is the only one. It writes in its row that it caches before it begins to, and looks at the others'
 * rows after that; a node that joins writes its row and then looks. One of the two always sees the other.
 */
export class NodePresence {
  /** What the row of this node is to say. A node without messages finds out first whether it is alone. */
  private wantsToCache: boolean;
  private active = false;
  /** No other node was caching at the last poll, and while this one is there none begins that does not hear of it. */
  private established = false;
  private others: readonly NodeRow[] = [];
  private pollStartedAt = -Infinity;
  private wallAtPoll = 0;
  private begunPolls = 0;
  /** Number of the last poll that is complete. */
  private polled = 0;
  private readonly startedAt: number;
  /** Monotonic time at which this node saw last that the clock of the database was set. */
  private steppedAt = -Infinity;
  private failing = false;
  private polling: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly nodeRegistry: NodeRegistry,
    private readonly clock: Clock,
    private readonly watch: NodeWatch,
    private readonly settings: PresenceSettings,
    private readonly handlers: PresenceHandlers,
  ) {
    this.wantsToCache = settings.canCache && settings.messaging;
    this.startedAt = clock.monotonic();
  }

  /** Whether copies may be used now. */
  get mayCache(): boolean {
    return this.mayCacheAt(this.clock.monotonic());
  }

  /** The same where the time is known. @param now monotonic milliseconds */
  mayCacheAt(now: number): boolean {
    const { pollFreshnessMs, silenceMs } = this.settings;
    return this.active && this.isFresh(now - this.pollStartedAt, this.failing ? silenceMs : pollFreshnessMs);
  }

  /** Milliseconds since the last complete poll began. */
  get pollAge(): number {
    return this.clock.monotonic() - this.pollStartedAt;
  }

  /** Milliseconds since this node saw that the clock of the database was set; Infinity if it never did. */
  get sinceStepMs(): number {
    return this.clock.monotonic() - this.steppedAt;
  }

  /** Milliseconds for which this node has watched that clock, and it was not set. */
  get steadyMs(): number {
    return Math.min(this.sinceStepMs, this.clock.monotonic() - this.startedAt);
  }

  /** Nodes whose rows have not been renewed for longer than D, though they may still be there. */
  get silentNodes(): number {
    return this.others.filter((one) => this.watch.stillFor(one) > this.settings.pollFreshnessMs).length;
  }

  /** Nodes that may go by what they remember, and have not polled since this one saw them first. */
  get unheardNodes(): readonly NodeRow[] {
    return this.others.filter((one) => one.caching && !this.watch.hasMoved(one));
  }

  /** Whether no other node can be going by what it remembers, so that nobody need be asked. Never with messages. */
  get isAlone(): boolean {
    return !this.settings.messaging && this.established && this.isFresh(this.pollAge, this.settings.silenceMs);
  }

  /** One look at the shared state; concurrent calls share it. Rejects if the database cannot be read. */
  poll(): Promise<void> {
    return (this.polling ??= this.pollOnce().finally(() => (this.polling = null)));
  }

  /** Messages reach this node from now on, or do not any more. The others hear of it at once, by the row. */
  connectionChanged(): void {
    if (this.stopped) return;
    if (this.isAllowed()) this.wantsToCache = true;
    else this.retreat();
    void this.pollAgain();
  }

  /** Uses no copy from here on and leaves. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.retreat();
    await this.polling?.catch(() => undefined);
    await this.nodeRegistry.leave(this.settings.nodeId);
  }

  /** A poll that begins after this call. */
  private async pollAgain(): Promise<void> {
    await this.polling?.catch(() => undefined);
    if (!this.stopped) await this.poll().catch(() => undefined);
  }

  private async pollOnce(): Promise<void> {
    if (this.stopped) return;
    const { clock, settings } = this;
    const startedAt = clock.monotonic();
    const wall = Date.now();
    const poll = this.handlers.onPoll();
    const gap = startedAt - this.pollStartedAt;
    // Its row may go on moving while it cannot read what has changed: others would wait for ever for a poll that is complete.
    const isBlind = this.failing && gap >= settings.silenceMs && this.isAllowed();
    if (isBlind) this.retreat();
    const announces = this.wantsToCache;
    const isWhole = !this.active;
    const number = ++this.begunPolls;
    // A change bears the time at which its transaction came to it, and may be there only when an earlier poll has been.
    const reachMs = isWhole ? settings.windowMs : Math.min(settings.windowMs, gap + LATE_COMMIT_MS);
    const result = await this.ask(number, announces, announces || isBlind ? reachMs : null);
    if (this.stopped) return;
    const stepped = this.setClock(result);
    this.failing = false;
    this.pollStartedAt = startedAt;
    this.wallAtPoll = wall;
    this.lookAtOthers(result.others);
    this.established = !this.others.some(({ caching }) => caching);
    this.handlers.onPolled(poll, result.changes);
    this.polled = number;
    const isContinuous = !stepped && (isWhole || (result.wasRegistered && gap < LATE_COMMIT_MS));
    if (!isContinuous || !this.isAllowed()) this.retreat();
    else if (announces && (isWhole || this.active)) this.active = true;
    this.wantsToCache = this.isAllowed();
    // The others should not wait for this node longer than they must, nor this one for its cache.
    if (this.wantsToCache !== announces) void this.pollAgain();
  }

  /** Nobody waits for nodes that are silent: their rows are removed for all. */
  private lookAtOthers(rows: readonly NodeRow[]): void {
    this.watch.note(rows);
    this.watch.keep(rows);
    this.others = rows.filter((row) => !this.watch.isSilent(row));
    const silent = rows.filter((row) => this.watch.isSilent(row));
    // If that fails, the next poll finds them again.
    if (silent.length > 0) this.nodeRegistry.remove(silent).catch(() => undefined);
  }

  private async ask(poll: number, caching: boolean, reachMs: number | null): Promise<PollResult> {
    const { clock, nodeRegistry, polled, settings } = this;
    const { nodeId: id, messaging, silenceMs } = settings;
    const since = reachMs === null ? null : Math.floor(clock.now() - reachMs);
    try {
      return await nodeRegistry.poll({ id, messaging, silenceMs, caching, poll, polled }, since);
    } catch (error) {
      this.failing = true;
      throw error;
    }
  }

  /** @returns whether the clock of the database was set, so that times from before mean nothing */
  private setClock({ databaseTime, measuredAt }: PollResult): boolean {
    const { clock } = this;
    if (!(clock instanceof SynchronizedClock)) return false;
    const expected = clock.now() - (clock.monotonic() - measuredAt);
    clock.synchronize(databaseTime, measuredAt);
    const isSet = Math.abs(databaseTime - expected) > CLOCK_STEP_MS;
    if (isSet) this.steppedAt = clock.monotonic();
    return isSet;
  }

  /** Whether every other node can be told of what changes here, and this one of what changes there. */
  private isAllowed(): boolean {
    const { canCache, messaging } = this.settings;
    if (!canCache) return false;
    if (this.others.length === 0) return true;
    return messaging && this.handlers.isConnected() && this.others.every((one) => one.messaging);
  }

  private retreat(): void {
    this.active = false;
    this.wantsToCache = false;
    this.handlers.onInactive();
  }

  /** Polls are recent enough, and no clock has jumped as it does when a machine was suspended. */
  private isFresh(age: number, limit: number): boolean {
    const margin = Math.min(MARGIN_MS, limit / MARGIN_SHARE);
    return age < limit - margin && Math.abs(Date.now() - this.wallAtPoll - age) < margin;
  }
}
