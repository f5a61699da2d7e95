import { type SessionEndNotice, readNotice } from './end-notice.js';
import { type PageChannel, page } from './page.js';

/** Messages between tabs. They hold no tokens: tabs read those from the storage that they share. */
export type TabMessage =
  | { readonly type: 'changed' }
  | { readonly type: 'cleared'; readonly login: string }
  | { readonly type: 'ended'; readonly login: string; readonly notice: SessionEndNotice }
  | { readonly type: 'refreshing' | 'refreshed'; readonly tab: string };

/** Messages between the tabs that share a storage, as far as the browser has BroadcastChannel; never throws. */
export interface TabChannel {
  post(message: TabMessage): void;
  listen(listener: (message: TabMessage) => void): void;
  close(): void;
}

const NO_CHANNEL: TabChannel = { post: () => undefined, listen: () => undefined, close: () => undefined };

/** @param shared name of what the tabs share; null for nothing */
export function openTabChannel(shared: string | null): TabChannel {
  if (shared === null || !page.BroadcastChannel) return NO_CHANNEL;
  let channel: PageChannel;
  try {
    channel = new page.BroadcastChannel(`nestjs-latchkey:${shared}`);
  } catch {
    // Sandboxed pages have an origin of their own, which is allowed no channel.
    return NO_CHANNEL;
  }
  // Node: an open channel would keep the process alive.
  channel.unref?.();
  const listeners: ((message: TabMessage) => void)[] = [];
  channel.onmessage = ({ data }) => {
    const message = readMessage(data);
    if (message) for (const listener of listeners) listener(message);
  };
  let closed = false;
  return {
    post: (message) => {
      if (!closed) channel.postMessage(message);
    },
    listen: (listener) => void listeners.push(listener),
    close: () => {
      closed = true;
      channel.close();
    },
  };
}

/** Every script of the origin may post. */
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

/** The part of `navigator.locks` that the client uses: runs work while no other tab runs work of the same name. */
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
 * Locks for browsers without Web Locks: a tab announces when it begins and when it is done, and the others wait meanwhile. Two
 * that begin at the same moment both go ahead.
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
