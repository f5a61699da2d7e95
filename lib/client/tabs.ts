import { type SessionEndNotice, readNotice } from './end-notice.js';
import { type PageChannel, page } from './page.js';

/** Messages between tabs. They contain no tokens, which tabs read from their shared storage. */
export type TabMessage =
  | { readonly type: 'changed' }
  | { readonly type: 'cleared'; readonly login: string }
  | { readonly type: 'ended'; readonly login: string; readonly notice: SessionEndNotice }
  | { readonly type: 'refreshing' | 'refreshed'; readonly tab: string };

/** Channel between tabs with a shared storage, if the browser has BroadcastChannel. Never throws. */
export class TabChannel {
  private channel: PageChannel | null = null;
  private readonly listeners: ((message: TabMessage) => void)[] = [];

  /** @param shared name of the shared storage, or null */
  constructor(shared: string | null) {
    if (shared === null || !page.BroadcastChannel) return;
    try {
      this.channel = new page.BroadcastChannel(`nestjs-latchkey:${shared}`);
    } catch {
      // Sandboxed pages have an opaque origin, which may not open channels.
      return;
    }
    // Node: an open channel would keep the process alive.
    this.channel.unref?.();
    this.channel.onmessage = ({ data }) => {
      const message = readMessage(data);
      if (message) for (const listener of this.listeners) listener(message);
    };
  }

  post(message: TabMessage): void {
    this.channel?.postMessage(message);
  }

  listen(listener: (message: TabMessage) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    this.channel?.close();
    this.channel = null;
  }
}

/** Untrusted: every script of the origin may post. */
function readMessage(data: unknown): TabMessage | null {
  if (typeof data !== 'object' || data === null) return null;
  const { type, login, notice, tab } = data as Partial<Record<string, unknown>>;
  if (type === 'changed') return { type };
  if ((type === 'refreshing' || type === 'refreshed') && typeof tab === 'string') return { type, tab };
  if (typeof login !== 'string') return null;
  if (type === 'cleared') return { type, login };
  const read = type === 'ended' ? readNotice(notice) : null;
  return read && { type: 'ended', login, notice: read };
}

/** Subset of `navigator.locks` used here: runs work while no other tab runs work of the same name. */
export interface TabLocks {
  request(name: string, work: () => Promise<void>): Promise<unknown>;
}

/** Runs work under a lock, or without it after a timeout: a hanging tab must not block others. Work may be done twice. */
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
    // Pages with an opaque origin may not lock.
    Promise.resolve()
      .then(() => locks.request(name, run))
      .catch(run);
  });
}

/** Replaces Web Locks: tabs announce begin and end of their work. Two that begin at the same moment both proceed. */
export class AnnouncedLocks implements TabLocks {
  private readonly tab = String(Math.random());
  /** Start of each other tab's work, in milliseconds since the epoch. */
  private readonly others = new Map<string, number>();
  private waiting: (() => void)[] = [];

  constructor(
    private readonly channel: TabChannel,
    /** Time after which a tab that has not announced its end counts as gone. */
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
