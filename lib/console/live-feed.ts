import type { SessionClient, StreamEvent, WatchState } from '../client/index.js';
import type { EventItem, OnlineCount } from './contract.js';

export type LiveState = Exclude<WatchState, 'stopped'> | 'paused' | 'off';

export type LiveMessage =
  | { readonly kind: 'change'; readonly event: EventItem }
  | { readonly kind: 'overflow' }
  | { readonly kind: 'online'; readonly count: OnlineCount };

/** A page that nobody has looked at for so long stops listening until somebody does. */
const HIDDEN = 5 * 60_000;

/** Reads the stream of changes for as long as the operator is signed in and somebody looks at the page. */
export class LiveFeed {
  state: LiveState = 'off';
  private lastId = '';
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private stopWatching = (): void => undefined;
  private readonly listeners = new Set<(message: LiveMessage) => void>();
  private readonly stateListeners = new Set<() => void>();

  constructor(
    private readonly session: SessionClient,
    private readonly url: string,
    /** Called when the session that it began with is not held any more, or may not listen. */
    private readonly onStop: () => void,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', this.look);
    this.connect();
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.look);
    this.disconnect('off');
  }

  subscribe(listener: (message: LiveMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  subscribeState(listener: () => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  private readonly look = (): void => {
    clearTimeout(this.hiddenTimer);
    if (document.hidden) this.hiddenTimer = setTimeout(() => this.disconnect('paused'), HIDDEN);
    else if (this.state === 'paused' || this.state === 'waiting') this.connect();
  };

  private disconnect(state: LiveState): void {
    clearTimeout(this.hiddenTimer);
    this.stopWatching();
    this.become(state);
  }

  private connect(): void {
    this.disconnect('connecting');
    this.stopWatching = this.session.watch(this.url, {
      lastEventId: this.lastId,
      onEvent: (event) => this.take(event),
      onState: (state) => {
        this.become(state === 'stopped' ? 'off' : state);
        if (state === 'stopped') this.onStop();
      },
    });
  }

  private take({ event, data, id }: StreamEvent): void {
    this.lastId = id;
    if (event === 'change') this.tell({ kind: 'change', event: JSON.parse(data) as EventItem });
    else if (event === 'overflow') this.tell({ kind: 'overflow' });
    else if (event === 'online') this.tell({ kind: 'online', count: JSON.parse(data) as OnlineCount });
  }

  private tell(message: LiveMessage): void {
    for (const listener of this.listeners) listener(message);
  }

  private become(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.stateListeners) listener();
  }
}
