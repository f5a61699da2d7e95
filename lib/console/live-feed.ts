import type { Api } from './api.js';
import type { SessionEndNotice } from '../client/index.js';
import type { EventItem, OnlineCount } from './contract.js';
import { EventStreamParser, type StreamEvent } from './logic/event-stream.js';

export type LiveState = 'connecting' | 'live' | 'waiting' | 'paused' | 'off';

export type LiveMessage =
  | { readonly kind: 'change'; readonly event: EventItem }
  | { readonly kind: 'overflow' }
  | { readonly kind: 'online'; readonly count: OnlineCount };

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
/** The server sends a comment every 15 s. */
const SILENCE = 45_000;
/** A page that nobody has looked at for so long stops listening until somebody does. */
const HIDDEN = 5 * 60_000;

/** Reads the stream of changes for as long as the operator is signed in, and takes it up again where it broke off. */
export class LiveFeed {
  state: LiveState = 'off';
  private lastId = '';
  private wait = FIRST_WAIT;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private connection: AbortController | undefined;
  private readonly listeners = new Set<(message: LiveMessage) => void>();
  private readonly stateListeners = new Set<() => void>();

  constructor(
    private readonly api: Api,
    private readonly onEnd: (end: SessionEndNotice) => void,
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
    clearTimeout(this.timer);
    clearTimeout(this.hiddenTimer);
    this.connection?.abort();
    this.connection = undefined;
    this.become(state);
  }

  private connect(): void {
    this.disconnect('connecting');
    const connection = new AbortController();
    this.connection = connection;
    void this.read(connection).then((over) => {
      if (this.connection !== connection) return;
      if (over) return this.disconnect('off');
      this.become('waiting');
      this.timer = setTimeout(() => this.connect(), this.wait * (0.5 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    });
  }

  /** @returns whether it is over for good */
  private async read(connection: AbortController): Promise<boolean> {
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(), SILENCE);
    };
    try {
      heard();
      const answer = await this.api.live(this.lastId, connection.signal);
      // A token that is over is renewed, or the operator signs in again; a right that is missing does not come back.
      if (answer.status === 403 || answer.status === 404) return true;
      if (!answer.ok || answer.body === null) return false;
      this.become('live');
      const parser = new EventStreamParser(this.lastId);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        heard();
        this.wait = parser.retryMs ?? FIRST_WAIT;
        for (const event of parser.push(value)) if (this.take(event)) return true;
      }
    } catch {
      return false;
    } finally {
      clearTimeout(silence);
    }
  }

  private take({ event, data, id }: StreamEvent): boolean {
    this.lastId = id;
    if (event === 'end') {
      this.onEnd({ message: '', ...(JSON.parse(data) as { errorCode: string }) });
      return true;
    }
    if (event === 'change') this.tell({ kind: 'change', event: JSON.parse(data) as EventItem });
    else if (event === 'overflow') this.tell({ kind: 'overflow' });
    else if (event === 'online') this.tell({ kind: 'online', count: JSON.parse(data) as OnlineCount });
    return false;
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
