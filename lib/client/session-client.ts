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
import { AnnouncedLocks, openTabChannel } from './tabs.js';
import { TokenKeeper } from './token-keeper.js';
import { TokenRefresh } from './token-refresh.js';

/** The session of this browser: keeps its tokens, sends them and renews them. The methods need no `this`. */
export interface SessionClient {
  /** The access token; null without a login, and while an asynchronous storage is read. */
  readonly token: string | null;
  /** Resolves when the storage was read; at once, unless it is asynchronous. `fetch` and `watch` wait for it. Never rejects. */
  readonly ready: Promise<void>;
  /**
   * Begins with the answer of a login, whatever was held before. With the sessionId that is held it goes on with that session.
   * @throws TypeError
   */
  setTokens(tokens: SessionTokens): void;
  /**
   * As fetch. A request to the origin of baseUrl gets the token, unless it has an Authorization header; paths are resolved
   * against baseUrl. When the token is over it is renewed and the request repeated, once. A body that is a stream is not
   * repeated: the answer is the 401, and the next request has the new token.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Forgets the tokens, in all tabs. It ends nothing on the server: log out there first. */
  clear(): void;
  /** Calls the listener when the tokens have changed, by any tab; returns how to stop. */
  subscribe(listener: () => void): () => void;
  /**
   * Reads a stream of events (`text/event-stream`) for as long as the session lives that is held now, and opens it again when the
   * connection breaks or is silent for too long. Returns how to stop.
   * @throws TypeError for a wrong option, and where fetch gives no streams
   */
  watch(url: string | URL, options: WatchOptions): () => void;
  /** Stops listening to other tabs, and all that watch() began. */
  close(): void;
}

/**
 * Makes the client of a page; one for each server.
 * @throws TypeError that names the option and says what it must be
 */
export function createSessionClient(options: SessionClientOptions = {}): SessionClient {
  const resolved = resolveClientOptions(options);
  const shared = resolved.storage.shared ?? null;
  const channel = openTabChannel(shared);
  const keeper = new TokenKeeper(resolved.storage, channel, resolved.onEnd);
  // Tabs that share nothing have nothing to wait for.
  const pageLocks = shared === null ? null : resolved.locks;
  const locks = pageLocks ?? new AnnouncedLocks(channel, resolved.refreshTimeoutMs);
  const refresh = new TokenRefresh(resolved, keeper, { locks, name: `nestjs-latchkey:${shared}` });
  const requests = new SessionRequests(resolved, keeper, refresh);
  const watches = new Set<StreamWatch>();
  return {
    ready: Promise.resolve(resolved.storage.ready),
    get token() {
      return keeper.current()?.accessToken ?? null;
    },
    setTokens: (tokens) => {
      const { sessionId } = checkTokens(tokens, 'The answer of a login');
      const held = keeper.current();
      const goesOn = sessionId != null && held?.sessionId === sessionId;
      keeper.begin(holdTokens(tokens, goesOn ? held.login : undefined));
    },
    fetch: (input, init) => requests.fetch(input, init),
    clear: () => keeper.clear(),
    subscribe: (listener) => keeper.subscribe(listener),
    watch: (url, watchOptions) => {
      requireStreams(options.fetch !== undefined);
      const send: SessionClient['fetch'] = (input, init) => requests.fetch(input, init);
      const watch = new StreamWatch({
        fetch: send,
        keeper,
        ready: resolved.storage.ready,
        url,
        options: watchOptions,
        onStop: () => void watches.delete(watch),
      });
      watches.add(watch);
      return watch.stop;
    },
    close: () => {
      watches.forEach((watch) => watch.stop());
      keeper.close();
    },
  };
}

/** A token that ends so soon may be over when the server reads it. */
const MARGIN_MS = 5000;

/** Sends requests with the tokens of the session, and follows each answer. */
class SessionRequests {
  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly keeper: TokenKeeper,
    private readonly refresh: TokenRefresh,
  ) {}

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new OutgoingRequest({ fetch: this.options.fetch, base: this.options.base(), input, init });
    try {
      const { ready } = this.options.storage;
      if (ready) await ready;
      const isOurs = request.isFor(this.options.origin) && !request.hasCredentials;
      const tokens = isOurs ? this.keeper.current() : null;
      return await (tokens ? this.exchange(request, tokens) : request.send(null));
    } finally {
      request.release();
    }
  }

  private async exchange(request: OutgoingRequest, tokens: HeldTokens): Promise<Response> {
    const sent = request.isRepeatable ? tokens : await this.renewBefore(request, tokens);
    const response = await request.send(sent.accessToken);
    const refusal = await this.examine(response, sent);
    if (!refusal) return response;
    if (!this.keeper.newer(sent) && this.refresh.isPossible(sent)) {
      await unlessAborted(request.signal, this.refresh.renew(sent));
    }
    const next = this.keeper.newer(sent);
    if (!next) this.endIfStuck(sent, refusal);
    if (!next || !request.isRepeatable) return response;
    discard(response.body);
    const repeated = await request.sendAgain(next.accessToken);
    const again = await this.examine(repeated, next);
    if (again && !this.keeper.newer(next)) this.endIfStuck(next, again);
    return repeated;
  }

  /** A request that cannot be repeated had better begin with a good token. */
  private async renewBefore(request: OutgoingRequest, tokens: HeldTokens): Promise<HeldTokens> {
    const { expiresAt } = tokens;
    if (expiresAt === null || Date.now() < expiresAt - MARGIN_MS || !this.refresh.isPossible(tokens)) return tokens;
    await unlessAborted(request.signal, this.refresh.renew(tokens));
    return this.keeper.newer(tokens) ?? tokens;
  }

  /** Takes what an answer says of the tokens. Gives the refusal if another token might do better. */
  private async examine(response: Response, sent: HeldTokens): Promise<SessionEndNotice | null> {
    // A redirect has led elsewhere, and the token was not sent there.
    if (response.url && new URL(response.url).origin !== this.options.origin) return null;
    this.takeRenewal(response.headers, sent);
    if (response.status !== 401) return null;
    const refusal = await readError(response);
    if (refusal && isEnd(refusal.errorCode)) this.keeper.end(sent.login, refusal);
    return refusal && asksForAnotherToken(refusal.errorCode) ? refusal : null;
  }

  /**
   * The token that the server made to follow the one that was sent. A token has one follower, so where another one is held by
   * now, that is the same, or a later one, or one of another login.
   */
  private takeRenewal(headers: Headers, sent: HeldTokens): void {
    const { renewedToken, renewedTokenExpiresIn } = this.options.headers;
    const accessToken = headers.get(renewedToken);
    if (!isToken(accessToken)) return;
    const seconds = /^\d{1,12}$/.exec(headers.get(renewedTokenExpiresIn) ?? '')?.[0];
    const expiresIn = seconds === undefined ? null : Number(seconds);
    this.keeper.follow(sent, renewTokens(sent, { accessToken, expiresIn }));
  }

  /** A token that is over, and nothing to get another one by. */
  private endIfStuck(tokens: HeldTokens, refusal: SessionEndNotice): void {
    if (!this.refresh.isPossible(tokens)) this.keeper.end(tokens.login, refusal);
  }
}

/** Waits, unless the caller gives up first; what is waited for goes on for others. */
function unlessAborted(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject((signal.reason as Error | undefined) ?? abortError());
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.finally(() => signal.removeEventListener('abort', abort)).then(resolve, reject);
  });
}

/** As AbortController makes one, where it does not say why it was aborted. */
function abortError(): Error {
  return Object.assign(new Error('The request was aborted.'), { name: 'AbortError' });
}
