import { createSessionClient, memoryStorage, webStorage } from '/client/index.js';

/**
 * One device: a client with a storage of its own, and what is known of its session. It is `out`, `in` or `ended`; the
 * listener is told of each change. Logins and ends in other tabs are seen as well.
 */
export class DeviceSession {
  state = 'out';
  /** What GET /me answered. */
  me = null;
  /** Why the session ended, while it is `ended`. */
  end = null;
  /** Whether an end is told as it happens. */
  isLive = false;
  client;
  #storage;
  #listener;
  #stopFollowing = () => undefined;
  #followed = null;

  /**
   * @param {string} key of its storage
   * @param {{ fetch?: typeof fetch, refreshes: boolean, cookies: boolean, onChange: () => void, onEvent?: (end: object) => void }} options
   */
  constructor(key, { fetch, refreshes, cookies, onChange, onEvent = () => undefined }) {
    // A browser has one login by cookie, on every page.
    this.#storage = storageOf(cookies ? 'latchkey-sample' : key);
    this.#listener = { onChange, onEvent };
    this.client = createSessionClient({
      storage: this.#storage,
      refreshUrl: refreshes ? '/auth/refresh' : null,
      cookies,
      onEnd: (end) => this.#ended(end),
      ...(fetch && { fetch }),
    });
    this.client.subscribe(() => void this.look());
    void this.look();
  }

  /** @param {object} credentials @returns {Promise<Response>} the answer, whose tokens are taken where it is one */
  async logIn(credentials) {
    const response = await this.#post('/auth/login', credentials);
    if (response.ok) this.client.setTokens(await response.clone().json());
    return response;
  }

  /** Asks for the next pair of tokens now. The client does this by itself when it is time. @returns {Promise<Response>} */
  async refresh() {
    const { refreshToken } = this.#held();
    const response = await this.#post('/auth/refresh', refreshToken === null ? undefined : { refreshToken });
    if (response.ok) this.client.setTokens(await response.clone().json());
    return response;
  }

  async logOut() {
    const response = await this.#post('/auth/logout');
    this.client.clear();
    return response;
  }

  logOutOthers() {
    return this.#post('/auth/logout-others');
  }

  /** Follows what the client holds: a login begins, the tokens are gone, or nothing of that. */
  async look() {
    const { sessionId } = this.#held();
    if (sessionId === this.#followed) {
      // The same session with other tokens.
      if (this.state === 'in') this.#listener.onChange();
      return;
    }
    this.#stopFollowing();
    this.#followed = sessionId;
    if (sessionId === null) {
      // An end with a reason is told of by onEnd.
      if (this.state === 'in') this.#become('out');
      return;
    }
    await this.#begin(sessionId);
  }

  async #begin(sessionId) {
    const response = await this.client.fetch('/me').catch(() => null);
    const me = response?.ok ? await response.json() : null;
    if (this.#followed !== sessionId || !this.client.signedIn) return;
    this.#become('in', { me: me ?? { sessionId } });
    this.#stopFollowing = this.client.watch('/me/live', {
      onState: (state) => {
        this.isLive = state === 'live';
        this.#listener.onChange();
      },
      onEvent: ({ event, data }) => {
        if (event !== 'end') return;
        // At once. The client asks again, and the 401 has it forget the tokens, here and in other tabs.
        const end = JSON.parse(data);
        this.#listener.onEvent(end);
        this.#become('ended', { end });
      },
    });
  }

  #ended(end) {
    // The stream has told it, with more to say, before the client hears of it.
    if (this.state === 'ended' && this.end.errorCode === end.errorCode) return;
    this.#stopFollowing();
    this.#become('ended', { end });
  }

  #become(state, { me = null, end = null } = {}) {
    Object.assign(this, { state, me, end, isLive: false });
    this.#listener.onChange();
  }

  #post(path, body) {
    const init = body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    return this.client.fetch(path, { method: 'POST', ...init });
  }

  /** What the client keeps. */
  #held() {
    try {
      const { sessionId = null, refreshToken = null } = JSON.parse(this.#storage.read() ?? '{}');
      return { sessionId, refreshToken };
    } catch {
      return { sessionId: null, refreshToken: null };
    }
  }
}

/** Kept over a reload, where the browser lets pages keep something. */
function storageOf(key) {
  try {
    return webStorage(localStorage, key);
  } catch {
    return memoryStorage();
  }
}
