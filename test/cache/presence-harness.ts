import { type Clock, SynchronizedClock } from 'lib/clock.js';
import type { SessionChange } from 'lib/node-registry.js';
import { NodeWatch } from 'lib/node-watch.js';
import { NodePresence, type PresenceSettings } from 'lib/node-presence.js';
import { MemoryMembership } from './memory-node-registry.js';
import { VirtualTime } from './virtual-time.js';

export const D = 2000;
export const SILENCE = 10_000;
export const WINDOW = 330_000;

/** One presence, and what it was told and tells. */
export interface PresentNode {
  readonly id: string;
  readonly presence: NodePresence;
  /** Whether messages reach it; told to the presence by `setConnected`. */
  connected: boolean;
  /** How often it was told that what it remembers may not be used. */
  inactive: number;
  readonly changes: SessionChange[];
  /** How often it was told that the database may have lost commits. */
  doubts: number;
  /** What it does then. */
  checking: () => Promise<void>;
  setConnected(connected: boolean): Promise<void>;
}

/** Nodes of a test, on one database in memory, polled when the test says so. */
export class PresenceHarness {
  readonly time = new VirtualTime();
  readonly nodeRegistry = new MemoryMembership(() => this.time.clock.now());
  private nodes = 0;

  node(settings: Partial<PresenceSettings> = {}, clock: Clock = new SynchronizedClock()): PresentNode {
    const id = `node ${++this.nodes}`;
    const { time } = this;
    let polls = 0;
    const all = { nodeId: id, canCache: true, messaging: true, pollFreshnessMs: D, silenceMs: SILENCE };
    const node: PresentNode = {
      id,
      connected: true,
      inactive: 0,
      changes: [],
      doubts: 0,
      checking: async () => undefined,
      presence: new NodePresence({
        nodeRegistry: this.nodeRegistry,
        clock,
        watch: new NodeWatch(clock, settings.silenceMs ?? SILENCE),
        ...all,
        windowMs: WINDOW,
        ...settings,
        handlers: {
          isConnected: () => node.connected,
          onPoll: () => ++polls,
          onPolled: (_poll, { changes }) => node.changes.push(...changes),
          onDoubt: async () => {
            node.doubts++;
            await node.checking();
          },
          onInactive: () => void node.inactive++,
        },
      }),
      async setConnected(connected) {
        node.connected = connected;
        node.presence.connectionChanged();
        await time.settle();
      },
    };
    return node;
  }

  /** One that has polled until nothing follows of it. */
  async joined(settings: Partial<PresenceSettings> = {}, clock?: Clock): Promise<PresentNode> {
    const node = this.node(settings, clock);
    await this.poll(node);
    return node;
  }

  /** A poll of each, and what follows of it. */
  async poll(...nodes: readonly PresentNode[]): Promise<void> {
    for (const { presence } of nodes) {
      await presence.poll();
      await this.time.settle();
    }
  }

  /** Lets time pass with a poll every half second. */
  async pass(ms: number, ...nodes: readonly PresentNode[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await this.time.pass(500);
      await this.poll(...nodes);
    }
  }

  end(): void {
    this.time.end();
  }
}
