import { type ResolvedClientOptions, type SessionClientOptions, resolveClientOptions } from './client-options.js';
import { type SessionEndNotice, asksForAnotherToken, discard, isEnd, readError } from './end-notice.js';
import { OutgoingRequest } from './outgoing-request.js';
import {
  type HeldTokens,
  type SessionTokens,
  checkTokens,
  holdTokens,
  isToken,
  renewTokens,
} from './session-tokens.js';
import { StreamWatch, type WatchOptions, requireStreams } from './stream-watch.js';
import { AnnouncedLocks, TabChannel } from './tabs.js';
import { TokenKeeper } from './token-keeper.js';
import { TokenRefresh } from './token-refresh.js';

/** Client of one server: stores, sends and renews the tokens of this browser's session. Methods need no `this`. */
export interface SessionClient {
  /** Access token; null without a login, with cookies, and while an asynchronous storage is being read. */
  readonly token: string | null;
  /** True while there is a login. */
  readonly signedIn: boolean;
  /**
   * Resolves once the storage has been read; immediately if it is synchronous. `fetch` and `watch` wait for it. Never
   * rejects.
   */
  readonly ready: Promise<void>;
  /**
   * Stores the response of a login, replacing any other session. With the current sessionId, continues that session.
   * @throws TypeError
   */
  setTokens(tokens: SessionTokens): void;
  /**
   * Works like fetch. Adds the token to requests to the origin of baseUrl, unless they have an Authorization header,
   * and resolves paths against baseUrl. If the token has expired, renews it and repeats the request once. Requests with
   * a stream as body are not repeated: they get the 401, and the next request has the new token.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Clears the tokens in all tabs. Does not end the session: for that, `logOut`. Cookies stay until the server removes them. */
  clear(): void;
  /**
   * Asks `logoutUrl` by POST to end the session and to remove its cookies, and clears the tokens in all tabs, whatever it answers.
   * @throws TypeError without `logoutUrl`; whatever fetch throws if the server cannot be reached
   */
  logOut(): Promise<void>;
  /** Calls the listener when any tab has changed the tokens. @returns function that unsubscribes */
  subscribe(listener: () => void): () => void;
  /**
   * Reads an event stream (`text/event-stream`) for as long as the current session lives. Reconnects when the
   * connection breaks or stays silent too long. @returns function that stops
   * @throws TypeError for an invalid option, and if fetch has no streams
   */
  watch(url: string | URL, options: WatchOptions): () => void;
  /** Stops listening to other tabs, and everything that watch() started. */
  close(): void;
}

/**
 * Creates the client of a page, one per server.
 * @throws TypeError that names the option and what it must be
 */
export function createSessionClient(options: SessionClientOptions = {}): SessionClient {
  const resolved = resolveClientOptions(options);
  const shared = resolved.storage.shared ?? null;
  const channel = new TabChannel(shared);
  const keeper = new TokenKeeper(resolved.storage, channel, resolved.onEnd);
  // Tabs with separate storages need no lock.
  const pageLocks = shared === null ? null : resolved.locks;
  const locks = pageLocks ?? new AnnouncedLocks(channel, resolved.refreshTimeoutMs);
  const refresh = new TokenRefresh(resolved, keeper, { locks, name: `nestjs-latchkey:${shared}` });
  const requests = new SessionRequests(resolved, keeper, refresh);
  const watches = new Set<StreamWatch>();
  return {
    ready: Promise.resolve(resolved.storage.ready),
    get token() {
      return resolved.cookies ? null : (keeper.current()?.accessToken ?? null);
    },
    get signedIn() {
      return keeper.current() !== null;
    },
    setTokens: (tokens) => {
      const checked = checkTokens(tokens, 'The answer of a login', resolved.cookies);
      const { sessionId } = checked;
      const held = keeper.current();
      const goesOn = sessionId != null && held?.sessionId === sessionId;
      keeper.begin(holdTokens(checked, goesOn ? held.login : undefined));
    },
    fetch: (input, init) => requests.fetch(input, init),
    clear: () => keeper.clear(),
    logOut: () => refresh.logOut(),
    subscribe: (listener) => keeper.subscribe(listener),
    watch: (url, watchOptions) => {
      requireStreams(options.fetch !== undefined);
      const { ready } = resolved.storage;
      const fetch: SessionClient['fetch'] = (input, init) => requests.fetch(input, init);
      const onStop = () => void watches.delete(watch);
      const watch = new StreamWatch({ fetch, keeper, ready, url, options: watchOptions, onStop });
      watches.add(watch);
      return watch.stop;
    },
    close: () => {
      watches.forEach((watch) => watch.stop());
      keeper.close();
    },
  };
}

/** A token this close to its expiry may have expired when the server reads it. */
const MARGIN_MS = 5000;

class SessionRequests {
  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly keeper: TokenKeeper,
    private readonly refresh: TokenRefresh,
  ) {}

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new OutgoingRequest(this.options.fetch, this.options.base(), input, init);
    try {
      const { ready } = this.options.storage;
      if (ready) await ready;
      const isOurs = request.isFor(this.options.origin) && !request.hasCredentials;
      if (isOurs && this.options.cookies) request.useCookies();
      const tokens = isOurs ? this.keeper.current() : null;
      return await (tokens ? this.exchange(request, tokens) : request.send(null));
    } finally {
      request.release();
    }
  }

  private async exchange(request: OutgoingRequest, tokens: HeldTokens): Promise<Response> {
    const sent = request.isRepeatable ? tokens : await this.renewBefore(request, tokens);
    const response = await request.send(this.sendable(sent));
    const refusal = await this.examine(response, sent);
    if (!refusal) return response;
    if (!this.keeper.newer(sent) && this.refresh.isPossible(sent)) {
      await unlessAborted(request.signal, this.refresh.renew(sent));
    }
    const next = this.keeper.newer(sent);
    if (!next) this.endIfStuck(sent, refusal);
    if (!next || !request.isRepeatable) return response;
    discard(response.body);
    const repeated = await request.sendAgain(this.sendable(next));
    const again = await this.examine(repeated, next);
    if (again && !this.keeper.newer(next)) this.endIfStuck(next, again);
    return repeated;
  }

  private sendable({ accessToken }: HeldTokens): string | null {
    return this.options.cookies ? null : accessToken;
  }

  /** Renews before a request that cannot be repeated. */
  private async renewBefore(request: OutgoingRequest, tokens: HeldTokens): Promise<HeldTokens> {
    const { expiresAt } = tokens;
    if (expiresAt === null || Date.now() < expiresAt - MARGIN_MS || !this.refresh.isPossible(tokens)) return tokens;
    await unlessAborted(request.signal, this.refresh.renew(tokens));
    return this.keeper.newer(tokens) ?? tokens;
  }

  /** Applies what a response says about the tokens. Returns the refusal if another token might succeed. */
  private async examine(response: Response, sent: HeldTokens): Promise<SessionEndNotice | null> {
    // A redirect led to another origin, which did not get the token.
    if (response.url && new URL(response.url).origin !== this.options.origin) return null;
    this.takeRenewal(response.headers, sent);
    if (response.status !== 401) return null;
    const refusal = await readError(response);
    if (refusal && isEnd(refusal.errorCode)) this.keeper.end(sent.login, refusal);
    return refusal && asksForAnotherToken(refusal.errorCode, this.options.cookies) ? refusal : null;
  }

  /** Stores the server's successor of the token that was sent, unless another token is stored by now. */
  private takeRenewal(headers: Headers, sent: HeldTokens): void {
    const { renewedToken, renewedTokenExpiresIn } = this.options.headers;
    const accessToken = headers.get(renewedToken);
    if (!isToken(accessToken)) return;
    const seconds = /^\d{1,12}$/.exec(headers.get(renewedTokenExpiresIn) ?? '')?.[0];
    const expiresIn = seconds === undefined ? null : Number(seconds);
    this.keeper.follow(sent, renewTokens(sent, { accessToken, expiresIn }));
  }

  /** Ends the session when its token has expired and cannot be renewed. */
  private endIfStuck(tokens: HeldTokens, refusal: SessionEndNotice): void {
    if (!this.refresh.isPossible(tokens)) this.keeper.end(tokens.login, refusal);
  }
}

/** Waits unless the caller aborts; the work continues for others. */
function unlessAborted(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    // Like the error of an AbortController without a reason.
    const unnamed = Object.assign(new Error('The request was aborted.'), { name: 'AbortError' });
    const abort = () => reject((signal.reason as Error | undefined) ?? unnamed);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.finally(() => signal.removeEventListener('abort', abort)).then(resolve, reject);
  });
}
