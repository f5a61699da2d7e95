import type { Clock } from '../ports/clock.js';
import type { NodeList, NodeRow, NodeRegistry } from '../ports/node-registry.js';
import { ChangePendingError } from '../model/session-error.js';
import type { ChangeNotice } from '../ports/verification-cache.js';
import type { ChangeBus, Receipt } from './change-bus.js';
import type { NodeWatch } from './node-watch.js';

/** Interval at which rows of nodes that have not answered are read again. */
const LOOK_MS = 100;

/**
 * Waits until every other node has acknowledged a change, has polled since or caches nothing (by its row), or has been
 * silent for so long that it stops using copies by itself.
 */
export class AcknowledgementCollector {
  private listing: Promise<NodeList> | null = null;
  private nextListing: Promise<NodeList> | null = null;

  constructor(
    private readonly parts: {
      readonly nodeRegistry: NodeRegistry;
      readonly clock: Clock;
      readonly bus: ChangeBus | null;
      readonly watch: NodeWatch;
      readonly nodeId: string;
      /** Time limit for other nodes to acknowledge, after which a change is reported as pending. Milliseconds. */
      readonly acknowledgeMs: number;
    },
  ) {}

  /** Call after the commit. @throws ChangePendingError */
  async acknowledged(notice: ChangeNotice): Promise<void> {
    const deadline = this.parts.clock.monotonic() + this.parts.acknowledgeMs;
    const receipt = this.parts.bus?.publish(notice);
    try {
      await this.wait(receipt, deadline);
    } finally {
      receipt?.close();
    }
  }

  private async wait(receipt: Receipt | undefined, deadline: number): Promise<void> {
    const { clock, watch } = this.parts;
    let list = await this.listInTime(deadline);
    // Read after the change. A node missing here joined later, and read of the change before it used a copy.
    const first = new Map(list.others.map((one) => [one.id, one.poll]));
    for (;;) {
      const missing = () => list.others.filter((one) => !this.isDone(one, first, receipt));
      if (missing().length > 0) await this.answersFor(() => missing().length === 0);
      const waitedFor = missing();
      if (waitedFor.length === 0) return;
      if (clock.monotonic() >= deadline) {
        const untilSilent = waitedFor.map((one) => watch.untilSilent(one));
        throw new ChangePendingError(clock.now() + Math.ceil(Math.max(...untilSilent)));
      }
      list = await this.listInTime(deadline);
    }
  }

  /** @param first poll number of each node when it was first listed */
  private isDone(one: NodeRow, first: ReadonlyMap<string, number>, receipt: Receipt | undefined): boolean {
    if (!one.caching || receipt?.acknowledgedBy.has(one.id)) return true;
    return one.polled > (first.get(one.id) ?? -1) || this.parts.watch.isSilent(one);
  }

  /** Waits until enough answers have arrived, or it is time to read the rows again. */
  private async answersFor(isEnough: () => boolean): Promise<void> {
    const { bus } = this.parts;
    let timer: NodeJS.Timeout | undefined;
    let isTime = false;
    const time = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LOOK_MS);
    }).then(() => void (isTime = true));
    while (!isTime && !isEnough()) await (bus ? Promise.race([time, bus.nextAnswer()]) : time);
    clearTimeout(timer);
  }

  /** Lists the nodes as of after this call. */
  private async listInTime(deadline: number): Promise<NodeList> {
    const { clock, watch } = this.parts;
    for (;;) {
      try {
        const list = await this.list();
        watch.note(list.others);
        return list;
      } catch (cause) {
        if (clock.monotonic() >= deadline) {
          // Any node may have just written its row.
          throw Object.assign(new ChangePendingError(clock.now() + watch.longestSilenceMs), { cause });
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }

  /** Callers share a read that has not been sent. */
  private list(): Promise<NodeList> {
    const start = () => this.startListing();
    return this.listing ? (this.nextListing ??= this.listing.then(start, start)) : start();
  }

  private startListing(): Promise<NodeList> {
    this.nextListing = null;
    const listing = this.parts.nodeRegistry.list(this.parts.nodeId).finally(() => {
      if (this.listing === listing) this.listing = null;
    });
    return (this.listing = listing);
  }
}
