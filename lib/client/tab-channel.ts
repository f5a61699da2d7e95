import { type SessionEndNotice, readNotice } from './end-notice.js';
import { type PageChannel, page } from './page.js';

/** What tabs tell each other. None of it holds a token: those are read from the storage that they share. */
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

const NOBODY: TabChannel = { post: () => undefined, listen: () => undefined, close: () => undefined };

/** @param shared name of what the tabs share; null for nothing */
export function openTabChannel(shared: string | null): TabChannel {
  if (shared === null || !page.BroadcastChannel) return NOBODY;
  let channel: PageChannel;
  try {
    channel = new page.BroadcastChannel(`nestjs-latchkey:${shared}`);
  } catch {
    // Sandboxed pages have an origin of their own, which is allowed no channel.
    return NOBODY;
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
