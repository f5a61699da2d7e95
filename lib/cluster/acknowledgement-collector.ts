import type { Clock } from '../ports/clock.js';
import type { NodeList, NodeRow, NodeRegistry } from '../ports/node-registry.js';
import { ChangePendingError, SessionError } from '../model/session-error.js';
import type { ChangeNotice } from '../ports/verification-cache.js';
import type { ChangeBus, Receipt } from './change-bus.js';
import type { NodeWatch } from './node-watch.js';

export interface AcknowledgementSettings {
  readonly nodeId: string;
  /** How long a change waits for other nodes before it is reported as pending. Milliseconds. */
  readonly acknowledgeMs: number;
}

/** How often the rows of nodes that have not answered are looked at again. */
const LOOK_MS = 100;

/**
 * Waits until no node goes by what was before a change. A node is done with it when it has answered the message; or when its
 * row says that it caches no more, or that it has completed a poll which began after the change; or when it has been
 * silent for so long that it uses no copy by itself.
 */
export class AcknowledgementCollector {
  private listing: Promise<NodeList> | null = null;
  private nextListing: Promise<NodeList> | null = null;

  constructor(
    private readonly nodeRegistry: NodeRegistry,
    private readonly clock: Clock,
    private readonly bus: ChangeBus | null,
    private readonly watch: NodeWatch,
    private readonly settings: AcknowledgementSettings,
  ) {}

  /** To be called after the change was committed. @throws ChangePendingError */
  async acknowledged(notice: ChangeNotice): Promise<void> {
    const deadline = this.clock.monotonic() + this.settings.acknowledgeMs;
    const receipt = this.bus?.publish(notice);
    try {
      await this.wait(receipt, deadline);
    } finally {
      receipt?.close();
    }
  }

  private async wait(receipt: Receipt | undefined, deadline: number): Promise<void> {
    let list = await this.listInTime(deadline);
    // It was read after the change. Who is not in it has joined later, and has read of the change before it used a copy.
    const first = new Map(list.others.map((one) => [one.id, one.poll]));
    for (;;) {
      const missing = () => list.others.filter((one) => !this.isDone(one, first, receipt));
      if (missing().length > 0) await this.answersFor(() => missing().length === 0);
      const waitedFor = missing();
      if (waitedFor.length === 0) return;
      if (this.clock.monotonic() >= deadline) throw new ChangePendingError(this.effectiveBy(waitedFor));
      list = await this.listInTime(deadline);
    }
  }

  /** @param first the number of the poll that each node had begun when it was listed first */
  private isDone(one: NodeRow, first: ReadonlyMap<string, number>, receipt: Receipt | undefined): boolean {
    if (!one.caching || receipt?.acknowledgedBy.has(one.id)) return true;
    return one.polled > (first.get(one.id) ?? -1) || this.watch.isSilent(one);
  }

  /** Waits for answers until there are enough of them, or it is time to look at the rows again. */
  private async answersFor(isEnough: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let isTime = false;
    const time = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        isTime = true;
        resolve();
      }, LOOK_MS);
    });
    while (!isTime && !isEnough()) await (this.bus ? Promise.race([time, this.bus.nextAnswer()]) : time);
    clearTimeout(timer);
  }

  /** The members as they are after this call, however many ask. */
  private async listInTime(deadline: number): Promise<NodeList> {
    for (;;) {
      try {
        const list = await this.list();
        this.watch.note(list.others);
        return list;
      } catch (cause) {
        if (this.clock.monotonic() >= deadline) throw this.unknown(cause);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }

  /** Nobody knows who is there, so each may be one that has just written its row. */
  private unknown(cause: unknown): SessionError {
    const pending = new ChangePendingError(this.clock.now() + this.watch.longestSilenceMs);
    pending.cause = cause;
    return pending;
  }

  /** A list that is read after this call. Callers share one that has not been sent yet. */
  private list(): Promise<NodeList> {
    if (!this.listing) return this.startListing();
    return (this.nextListing ??= this.listing.then(
      () => this.startListing(),
      () => this.startListing(),
    ));
  }

  private startListing(): Promise<NodeList> {
    this.nextListing = null;
    const listing = this.nodeRegistry.list(this.settings.nodeId).finally(() => {
      if (this.listing === listing) this.listing = null;
    });
    return (this.listing = listing);
  }

  private effectiveBy(members: readonly NodeRow[]): number {
    return this.clock.now() + Math.ceil(Math.max(...members.map((one) => this.watch.untilSilent(one))));
  }
}
