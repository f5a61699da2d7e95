import { type Clock, SynchronizedClock } from '../ports/clock.js';
import type { LogPosition, NodeRegistry, NodeRow, PollResult } from '../ports/node-registry.js';
import { LogPositions } from './log-positions.js';
import type { NodeWatch } from './node-watch.js';

export interface PresenceSettings {
  /** 32 hex digits, new at every start. */
  readonly nodeId: string;
  readonly canCache: boolean;
  /** True if it can receive messages of other nodes. */
  readonly messaging: boolean;
  /** D: while polls work, no copy is used if the last one began longer ago. */
  readonly pollFreshnessMs: number;
  /** max(D, G): the same while polls fail. A node silent for this long uses no copy. */
  readonly silenceMs: number;
  /** W: changes that became visible in this period are known before a copy is used. */
  readonly windowMs: number;
}

/** Version of the rules that nodes keep among themselves. Raise it with a change of them. */
export const PROTOCOL = 1;
/** Margin for which a change stays in the log beyond W. */
const LOG_SLACK_MS = 60_000;

/** Treats a larger deviation of the database's clock as a step. */
const CLOCK_STEP_MS = 1000;
/** Stops using copies so much earlier than other nodes assume: the monotonic clock stands still while a machine is suspended. */
const MARGIN_MS = 250;
const MARGIN_SHARE = 8;

/**
 * Polls, and so knows nodes, changes, and if this node may use copies (architecture.md, "Freshness"): while all take
 * part in messages, or while it is alone. Every node writes its row before it reads others, so of two, one always sees
 * the other.
 */
export class NodePresence {
  /** Milliseconds for which the oldest writing transaction of the database server has been open; null if unknown. */
  oldestWriteMs: number | null = null;
  /** State to announce in this node's row. Without messages, a node first finds out if it is alone. */
  private wantsToCache: boolean;
  private active = false;
  /** True if no other node was caching at the last poll, so that none starts to without learning of this one. */
  private established = false;
  private others: readonly NodeRow[] = [];
  private pollStartedAt = -Infinity;
  private wallAtPoll = 0;
  private begunPolls = 0;
  /** Number of the last complete poll. */
  private polled = 0;
  private readonly positions = new LogPositions();
  private failing = false;
  /** True if the database may have lost commits since the last complete poll: ends are checked before the next is complete. */
  private doubtful = false;
  private removing = false;
  private polling: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly parts: PresenceSettings & {
      readonly nodeRegistry: NodeRegistry;
      readonly clock: Clock;
      readonly watch: NodeWatch;
      readonly handlers: {
        readonly isConnected: () => boolean;
        /** Called when a poll begins. @returns argument for `onPolled` once it is complete */
        readonly onPoll: () => number;
        readonly onPolled: (poll: number, result: PollResult) => void;
        /** Called when the database may have lost commits. The poll is complete only once it resolves. */
        readonly onDoubt: (isOtherServer: boolean) => Promise<void>;
        /** Called when copies must no longer be used. */
        readonly onInactive: () => void;
      };
    },
  ) {
    this.wantsToCache = parts.canCache && parts.messaging;
  }

  get mayCache(): boolean {
    return this.mayCacheAt(this.parts.clock.monotonic());
  }

  /** @param now monotonic milliseconds */
  mayCacheAt(now: number): boolean {
    const { pollFreshnessMs, silenceMs } = this.parts;
    return this.active && this.isFresh(now - this.pollStartedAt, this.failing ? silenceMs : pollFreshnessMs);
  }

  /** Milliseconds since the last complete poll began. */
  get pollAge(): number {
    return this.parts.clock.monotonic() - this.pollStartedAt;
  }

  /** The latest position at which every change was visible for longer than any node needs it in the log; null for none yet. */
  get purgeablePosition(): LogPosition | null {
    return this.positions.before(this.parts.clock.monotonic() - this.keepMs);
  }

  /** Nodes whose rows have not been renewed for longer than D; they may still be alive. */
  get silentNodes(): number {
    return this.others.filter((one) => this.parts.watch.stillFor(one) > this.parts.pollFreshnessMs).length;
  }

  /** Nodes that may be using copies and have not polled since this node first saw them. */
  get unheardNodes(): readonly NodeRow[] {
    return this.others.filter((one) => one.caching && !this.parts.watch.hasMoved(one));
  }

  /** True if no other node can be using copies, so that no acknowledgement is needed. Never with messages. */
  get isAlone(): boolean {
    return !this.parts.messaging && this.established && this.isFresh(this.pollAge, this.parts.silenceMs);
  }

  /** Reads the shared state once; concurrent calls share the read. Rejects if the database cannot be read. */
  poll(): Promise<void> {
    return (this.polling ??= this.pollOnce().finally(() => (this.polling = null)));
  }

  /** Tells the others at once, in its row, when messages start or stop reaching this node. */
  connectionChanged(): void {
    if (this.stopped) return;
    if (this.isAllowed()) this.wantsToCache = true;
    else this.retreat();
    void this.pollAgain();
  }

  /** Called when a connection to the database was lost: another server may answer from now on. */
  connectionLost(): void {
    this.doubtful = true;
  }

  /** Stops using copies and leaves the cluster. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.retreat();
    await this.polling?.catch(() => undefined);
    await this.parts.nodeRegistry.leave(this.parts.nodeId);
  }

  /** Polls again, beginning after this call. */
  private async pollAgain(): Promise<void> {
    await this.polling?.catch(() => undefined);
    if (!this.stopped) await this.poll().catch(() => undefined);
  }

  private async pollOnce(): Promise<void> {
    if (this.stopped) return;
    const { clock, windowMs, silenceMs } = this.parts;
    const startedAt = clock.monotonic();
    const wall = Date.now();
    const poll = this.parts.handlers.onPoll();
    const gap = startedAt - this.pollStartedAt;
    // A node that renews its row but cannot read changes would make others wait forever for a complete poll.
    const isBlind = this.failing && gap >= silenceMs && this.isAllowed();
    if (isBlind) this.retreat();
    const announces = this.wantsToCache;
    const wasActive = this.active;
    // What was visible for longer than W before this poll may have been purged.
    if (gap >= windowMs) this.positions.latest = null;
    const isWhole = this.positions.latest === null;
    const number = ++this.begunPolls;
    const result = await this.ask(number, announces);
    if (this.stopped) return;
    const stepped = this.setClock(result);
    this.failing = false;
    this.pollStartedAt = startedAt;
    this.wallAtPoll = wall;
    this.lookAtOthers(result.others);
    this.established = !this.others.some(({ caching }) => caching);
    this.parts.handlers.onPolled(poll, result);
    this.polled = number;
    this.oldestWriteMs = result.oldestWriteMs;
    // Without this node's row, the others have purged what they did not need themselves.
    const isContinuous = !stepped && (isWhole || result.wasRegistered);
    this.positions.note(isContinuous ? result.position : null, clock.monotonic(), this.keepMs);
    if (!isContinuous || !this.isAllowed()) this.retreat();
    else if (announces && (this.active || !wasActive)) this.active = true;
    this.wantsToCache = this.isAllowed();
    // Saves the others waiting for this node, and this node waiting for its cache.
    if (this.wantsToCache !== announces) void this.pollAgain();
  }

  /** Removes the rows of silent nodes, so that no node waits for them. */
  private lookAtOthers(rows: readonly NodeRow[]): void {
    const { watch, nodeRegistry } = this.parts;
    watch.note(rows);
    watch.keep(rows);
    const silent = rows.filter((row) => watch.isSilent(row));
    this.others = rows.filter((row) => !silent.includes(row));
    if (silent.length === 0 || this.removing) return;
    // On failure, the next poll finds them again. One at a time: a row may be locked, and polls need the connections.
    this.removing = true;
    void Promise.allSettled([nodeRegistry.remove(silent)]).then(() => (this.removing = false));
  }

  private async ask(poll: number, caching: boolean): Promise<PollResult> {
    const { polled } = this;
    const { nodeRegistry, nodeId: id, messaging, silenceMs, windowMs } = this.parts;
    const state = { id, protocol: PROTOCOL, messaging, silenceMs, windowMs, caching, poll, polled };
    try {
      const result = await nodeRegistry.poll(state, this.positions.latest);
      await this.checkEnds(result);
      return result;
    } catch (error) {
      this.failing = this.doubtful = true;
      throw error;
    }
  }

  private async checkEnds({ wasRegistered, position: { server } }: PollResult): Promise<void> {
    const isOther = (this.positions.latest?.server ?? server) !== server;
    if (!this.doubtful && !isOther && (wasRegistered || this.polled === 0)) return;
    this.doubtful = false;
    await this.parts.handlers.onDoubt(isOther);
  }

  /** @returns true if the database's clock was stepped, which invalidates earlier times */
  private setClock({ databaseTime, measuredAt }: PollResult): boolean {
    const { clock } = this.parts;
    if (!(clock instanceof SynchronizedClock)) return false;
    const expected = clock.now() - (clock.monotonic() - measuredAt);
    clock.synchronize(databaseTime, measuredAt);
    return Math.abs(databaseTime - expected) > CLOCK_STEP_MS;
  }

  /** Changes stay in the log for as long as the slowest node needs them. Milliseconds. */
  private get keepMs(): number {
    return Math.max(this.parts.windowMs, ...this.others.map(({ windowMs }) => windowMs)) + LOG_SLACK_MS;
  }

  /** True if every other node can learn of changes made here, and this one of theirs, by the same rules. */
  private isAllowed(): boolean {
    const { canCache, messaging } = this.parts;
    const isHeard = () => messaging && this.parts.handlers.isConnected() && this.others.every((one) => one.messaging);
    const isAlike = this.others.every(({ protocol }) => protocol === PROTOCOL);
    return canCache && isAlike && (this.others.length === 0 || isHeard());
  }

  private retreat(): void {
    this.active = false;
    this.wantsToCache = false;
    this.parts.handlers.onInactive();
  }

  /** True if polls are recent and no clock has jumped, as after a suspend. */
  private isFresh(age: number, limit: number): boolean {
    const margin = Math.min(MARGIN_MS, limit / MARGIN_SHARE);
    return age < limit - margin && Math.abs(Date.now() - this.wallAtPoll - age) < margin;
  }
}
