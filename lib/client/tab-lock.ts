import type { TabChannel } from './tab-channel.js';

/** What is used of `navigator.locks`: runs the work while no other tab runs work of the same name. */
export interface TabLocks {
  request(name: string, work: () => Promise<void>): Promise<unknown>;
}

/**
 * Runs work under a lock, or without it when the lock cannot be had within the patience: a tab that hangs may not stop the
 * others. So work must be harmless when it is done twice.
 */
export function exclusively(
  locks: TabLocks,
  name: string,
  patienceMs: number,
  work: () => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = false;
    const run = async () => {
      if (started) return;
      started = true;
      clearTimeout(timer);
      await work().then(resolve, reject);
    };
    const timer = setTimeout(() => void run(), patienceMs);
    // Pages without an origin of their own are refused a lock.
    Promise.resolve()
      .then(() => locks.request(name, run))
      .catch(run);
  });
}

/**
 * For browsers without Web Locks: a tab says when it begins and when it is done, and who hears of it waits. Two that begin in
 * the same moment both go ahead.
 * @param patienceMs a tab that has not said for so long that it is done, is gone
 */
export class AnnouncedLocks implements TabLocks {
  private readonly tab = String(Math.random());
  /** Milliseconds since the epoch at which each of the others began. */
  private readonly others = new Map<string, number>();
  private waiting: (() => void)[] = [];

  constructor(
    private readonly channel: TabChannel,
    private readonly patienceMs: number,
  ) {
    channel.listen((message) => {
      if (message.type === 'refreshing') this.others.set(message.tab, Date.now());
      if (message.type !== 'refreshed') return;
      this.others.delete(message.tab);
      if (this.isFree()) for (const wake of this.waiting.splice(0)) wake();
    });
  }

  async request(_name: string, work: () => Promise<void>): Promise<void> {
    if (!this.isFree()) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.channel.post({ type: 'refreshing', tab: this.tab });
    try {
      await work();
    } finally {
      this.channel.post({ type: 'refreshed', tab: this.tab });
    }
  }

  private isFree(): boolean {
    for (const [tab, since] of this.others) if (Date.now() - since >= this.patienceMs) this.others.delete(tab);
    return this.others.size === 0;
  }
}
