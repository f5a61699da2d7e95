import type { ResolvedClientOptions } from './client-options.js';
import { discard, isEnd, readError } from './end-notice.js';
import { type HeldTokens, type SessionTokens, checkTokens, renewTokens } from './session-tokens.js';
import { type TabLocks, exclusively } from './tabs.js';
import type { TokenKeeper } from './token-keeper.js';

/** Refreshes tokens once for all requests of this tab, and once for all tabs that share the lock. */
export class TokenRefresh {
  /** By access token to replace. */
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly keeper: TokenKeeper,
    /** Shared by the tabs. */
    private readonly lock: { readonly locks: TabLocks; readonly name: string },
  ) {}

  isPossible(tokens: HeldTokens): boolean {
    const { refreshUrl, cookies } = this.options;
    return refreshUrl !== null && (cookies || tokens.refreshToken !== null);
  }

  /** Resolves when the attempt is over, whether it brought newer tokens, the end of the session, or nothing. */
  renew(tokens: HeldTokens): Promise<void> {
    const key = tokens.accessToken;
    const running = this.running.get(key);
    if (running) return running;
    const { locks, name } = this.lock;
    const renewal = exclusively(locks, name, this.options.refreshTimeoutMs, () => this.exchange(tokens))
      .catch(() => undefined)
      .finally(() => this.running.delete(key));
    this.running.set(key, renewal);
    return renewal;
  }

  /** See SessionClient.logOut. */
  async logOut(): Promise<void> {
    const { logoutUrl, refreshTimeoutMs, storage } = this.options;
    if (!logoutUrl) throw new TypeError('logOut() needs the option "logoutUrl" of the session client.');
    if (storage.ready) await storage.ready;
    const { locks, name } = this.lock;
    try {
      // A refresh of another tab would set the cookies again.
      await exclusively(locks, name, refreshTimeoutMs, async () => discard((await this.post(logoutUrl, null)).body));
    } finally {
      this.keeper.clear();
    }
  }

  private async exchange(tokens: HeldTokens): Promise<void> {
    // Another tab may have refreshed while this one waited.
    if (!this.keeper.isCurrent(tokens)) return;
    const { refreshUrl, cookies } = this.options;
    const body = cookies ? null : { refreshToken: tokens.refreshToken };
    await this.take(tokens, await this.post(refreshUrl!, body));
  }

  private async take(tokens: HeldTokens, response: Response): Promise<void> {
    if (response.ok) {
      const next = checkTokens(
        (await response.json()) as SessionTokens,
        'The answer to a refresh',
        this.options.cookies,
      );
      return this.keeper.follow(tokens, renewTokens(tokens, next));
    }
    if (response.status === 401) {
      const notice = (await readError(response)) ?? { errorCode: 'TOKEN_INVALID', message: 'Log in again.' };
      // Without a lock another tab may have been faster; then only the end of the whole session counts.
      if (isEnd(notice.errorCode) || this.keeper.isCurrent(tokens)) this.keeper.end(tokens.login, notice);
    }
    discard(response.body);
  }

  /** @param body null where the token or the cookies are the credentials */
  private async post(url: URL, body: object | null): Promise<Response> {
    const { fetch, headers, refreshTimeoutMs, cookies } = this.options;
    const token = cookies ? null : this.keeper.current()?.accessToken;
    // Not AbortSignal.timeout, which React Native and older browsers lack.
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), refreshTimeoutMs);
    const request = new Request(url, {
      method: 'POST',
      headers: {
        Accept: 'application/json',
        ...(body && { 'Content-Type': 'application/json' }),
        ...(cookies && { 'X-Requested-With': 'nestjs-latchkey' }),
        ...(token && !body && { Authorization: `Bearer ${token}` }),
        // Not a use of the session by itself: the request that it precedes is one, unless marked otherwise.
        ...(headers.noActivity !== false && { [headers.noActivity]: '1' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(cookies && { credentials: 'include' }),
      // A redirect would carry the refresh token elsewhere.
      redirect: 'error',
      signal: patience.signal,
    });
    try {
      return await fetch(request);
    } finally {
      clearTimeout(timer);
    }
  }
}
