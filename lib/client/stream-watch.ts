import { refuseUnknown } from './client-options.js';
import { discard } from './end-notice.js';
import { EventStreamParser, type StreamEvent } from './event-stream.js';
import { attempt, report } from './page.js';
import type { TokenKeeper } from './token-keeper.js';

/** `stopped` is final: the session has ended, or the server refuses the stream. */
export type WatchState = 'connecting' | 'live' | 'waiting' | 'stopped';

/** Options of SessionClient.watch. */
export interface WatchOptions {
  /** Called with each event of the stream, comments excluded. */
  readonly onEvent: (event: StreamEvent) => void;
  /** Called with each change of state, from `connecting` on, but not when the caller stops. */
  readonly onState?: (state: WatchState) => void;
  /** Sent as `Last-Event-ID` with the first request. Later requests send the last id of the stream. */
  readonly lastEventId?: string;
  /**
   * Treats the connection as lost after this many milliseconds without a byte. Default 45,000. Use at least two
   * heartbeats.
   */
  readonly silenceMs?: number;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const MIN_PAUSE_MS = 10;
const LONGEST_SILENCE_MS = 3_600_000;
const LONGEST_RETRY_AFTER_MS = 600_000;
/** Statuses that a retry does not change. Not 401: the session may live, and its token be renewed later. */
const FINAL: ReadonlySet<number> = new Set([204, 400, 403, 404, 405, 406, 410]);

const NO_STREAMS =
  'watch() needs a fetch whose answers have a body to read as it comes, and TextDecoder. Give one as the option "fetch", or poll instead.';

/** Returns the back-off with jitter after consecutive failures, in milliseconds. @param random from 0 to 1 */
export function backOff(failures: number, firstMs: number, random: number): number {
  const most = Math.max(firstMs, LONGEST_PAUSE_MS);
  return Math.min(most, firstMs * 2 ** failures) * (0.5 + random / 2);
}

/** Reads an event stream for as long as the current session lives, over as many connections as that takes. */
export class StreamWatch {
  private login: string | null;
  private readonly unsubscribe: () => void;
  private isOver = false;
  private failures = 0;
  private firstPauseMs = FIRST_PAUSE_MS;
  private lastEventId: string;
  private state: WatchState | null = null;
  private hasAskedAtOnce = false;
  private connection: AbortController | null = null;
  private wake: () => void = () => undefined;

  constructor(
    private readonly parts: {
      readonly fetch: (url: string | URL, init: RequestInit) => Promise<Response>;
      readonly keeper: TokenKeeper;
      readonly ready: Promise<void> | undefined;
      readonly url: string | URL;
      readonly options: WatchOptions;
      readonly onStop: () => void;
    },
  ) {
    const { keeper, options } = parts;
    checkOptions(options);
    this.lastEventId = options.lastEventId ?? '';
    this.login = keeper.current()?.login ?? null;
    this.unsubscribe = keeper.subscribe(() => this.isOwn() || this.interrupt());
    // Deferred, so that the caller has the stop function before the first callback.
    void Promise.resolve().then(() => this.run());
  }

  readonly stop = (): void => {
    this.isOver = true;
    this.unsubscribe();
    this.parts.onStop();
    this.interrupt();
  };

  private interrupt(): void {
    this.connection?.abort();
    this.wake();
  }

  private async run(): Promise<void> {
    if (this.parts.ready) {
      await this.parts.ready;
      this.login ??= this.parts.keeper.current()?.login ?? null;
    }
    while (this.isOwn()) {
      this.become('connecting');
      const pauseMs = await this.connect();
      if (pauseMs === null || !this.isOwn()) break;
      if (pauseMs === 0) continue;
      this.become('waiting');
      await this.pause(pauseMs);
    }
    if (this.isOver) return;
    this.become('stopped');
    this.stop();
  }

  /** True while the session of the start is stored, by this tab or another. */
  private isOwn(): boolean {
    return !this.isOver && this.login !== null && this.parts.keeper.current()?.login === this.login;
  }

  /** Reads one connection to its end. @returns delay of the next one in milliseconds; null to stop */
  private async connect(): Promise<number | null> {
    const connection = new AbortController();
    const { signal } = connection;
    this.connection = connection;
    // Not left to fetch: Node forgets a request's signal once the response has arrived.
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('Lost.'))),
    );
    aborted.catch(() => undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => connection.abort(), this.parts.options.silenceMs ?? 45_000);
    };
    heard();
    let retryAfterMs = 0;
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      // Headers take bytes: UTF-8, as EventSource sends it.
      if (this.lastEventId) {
        headers['Last-Event-ID'] = String.fromCharCode(...new TextEncoder().encode(this.lastEventId));
      }
      const answer = this.parts.fetch(this.parts.url, { headers, signal });
      answer.then(({ body }) => signal.aborted && discard(body)).catch(() => undefined);
      const response = await Promise.race([answer, aborted]);
      if (!response.ok) discard(response.body);
      if (response.status === 400 && this.lastEventId !== '') {
        // The server refuses the id: restart the stream without what was missed.
        this.lastEventId = '';
        return 0;
      }
      if (FINAL.has(response.status)) return null;
      if (response.ok && (await this.read(response, heard, aborted)) && !this.hasAskedAtOnce) {
        // The stream has reported the end. The response to another request tells the reason, and clears the tokens.
        this.hasAskedAtOnce = true;
        return 0;
      }
      retryAfterMs = Math.min(LONGEST_RETRY_AFTER_MS, 1000 * (Number(response.headers.get('retry-after')) || 0));
    } catch {
      // The connection broke, or was silent for too long.
    } finally {
      clearTimeout(timer);
      connection.abort();
    }
    return Math.max(retryAfterMs, backOff(this.failures++, this.firstPauseMs, Math.random()));
  }

  /** @returns true if the stream sent `event: end` */
  private async read({ body }: Response, heard: () => void, aborted: Promise<never>): Promise<boolean> {
    if (!body) return this.giveUp();
    this.become('live');
    const parser = new EventStreamParser(this.lastEventId);
    const decoder = new TextDecoder();
    const reader = body.getReader();
    const next = () => Promise.race([reader.read(), aborted]);
    try {
      for (let part = await next(); !part.done; part = await next()) {
        heard();
        this.failures = 0;
        const events = parser.push(decoder.decode(part.value as Uint8Array, { stream: true }));
        this.firstPauseMs = Math.max(MIN_PAUSE_MS, parser.retryMs ?? this.firstPauseMs);
        for (const event of events) {
          if (!this.isOwn()) return false;
          this.lastEventId = event.id;
          attempt(() => this.parts.options.onEvent(event));
          if (event.event === 'end') return true;
        }
      }
      return false;
    } finally {
      reader.cancel().catch(() => undefined);
    }
  }

  /** Final: a fetch without streams will not have them the next time either. */
  private giveUp(): false {
    report(new TypeError(NO_STREAMS));
    this.become('stopped');
    this.stop();
    return false;
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private become(state: WatchState): void {
    if (this.isOver || state === this.state) return;
    this.state = state;
    attempt(() => this.parts.options.onState?.(state));
  }
}

/** @throws TypeError if the page's fetch has no streams, or there is no TextDecoder */
export function requireStreams(hasOwnFetch: boolean): void {
  const hasStreams = hasOwnFetch || 'body' in Response.prototype;
  if (!hasStreams || typeof TextDecoder !== 'function') throw new TypeError(NO_STREAMS);
}

function checkOptions(options: WatchOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('The options of watch() must be an object.');
  refuseUnknown(options, ['onEvent', 'onState', 'lastEventId', 'silenceMs'], invalid);
  const { onEvent, onState, lastEventId, silenceMs = 1 } = options;
  if (typeof onEvent !== 'function') throw invalid('onEvent', 'must be a function');
  if (onState !== undefined && typeof onState !== 'function') throw invalid('onState', 'must be a function');
  if (lastEventId !== undefined && !(typeof lastEventId === 'string' && /^[^\0\r\n]{0,1024}$/.test(lastEventId))) {
    throw invalid('lastEventId', 'must be an event id of a stream');
  }
  if (typeof silenceMs !== 'number' || !(silenceMs > 0 && silenceMs <= LONGEST_SILENCE_MS)) {
    throw invalid('silenceMs', 'must be a number of milliseconds, above 0 and at most 3,600,000');
  }
}

function invalid(name: string, problem: string): TypeError {
  return new TypeError(`The option "${name}" of watch() ${problem}.`);
}
