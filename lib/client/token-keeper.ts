import type { SessionEndNotice } from './end-notice.js';
import { attempt } from './page.js';
import { type HeldTokens, parseTokens } from './session-tokens.js';
import type { TabChannel, TabMessage } from './tabs.js';
import type { TokenStorage } from './token-storage.js';

/** Keeps the tokens of the tabs that share a storage. Reads it each time; messages prompt a read, and tell of ends. */
export class TokenKeeper {
  private readonly listeners = new Set<() => void>();
  /** Logins whose end was reported, or that the application cleared. */
  private readonly settled = new Set<string>();
  private text: string | null = null;
  private tokens: HeldTokens | null = null;
  /** Last login seen, even if its tokens are gone. */
  private lastLogin: string | null = null;
  /** Text that the storage refused, and its content at that time. */
  private unsaved: { readonly text: string | null; readonly stored: string | null } | null = null;
  private telling = false;
  private readonly unwatch: () => void;

  constructor(
    private readonly storage: TokenStorage,
    private readonly channel: TabChannel,
    private readonly onEnd: (end: SessionEndNotice) => void,
  ) {
    this.current();
    channel.listen((message) => this.hear(message));
    this.unwatch = storage.watch?.(() => void this.current()) ?? (() => undefined);
  }

  current(): HeldTokens | null {
    const text = this.read();
    if (text === this.text) return this.tokens;
    const before = this.tokens;
    this.text = text;
    this.tokens = parseTokens(text);
    if (this.tokens) {
      if (before && before.login !== this.tokens.login) this.settled.add(before.login);
      this.lastLogin = this.tokens.login;
    }
    this.tellListeners();
    return this.tokens;
  }

  /** Returns newer tokens of the same login, or null. */
  newer(than: HeldTokens): HeldTokens | null {
    const held = this.current();
    return held?.login === than.login && held.accessToken !== than.accessToken ? held : null;
  }

  /** True if exactly these tokens are still stored. */
  isCurrent({ login, accessToken }: HeldTokens): boolean {
    const held = this.current();
    return held?.login === login && held.accessToken === accessToken;
  }

  /** Stores the tokens of a login, replacing any others. */
  begin(tokens: HeldTokens): void {
    this.write(tokens);
    this.channel.post({ type: 'changed' });
  }

  /** Replaces tokens by their successors, unless others are stored by now. */
  follow(before: HeldTokens, next: HeldTokens): void {
    if (this.isCurrent(before)) this.begin(next);
  }

  /** Does not call `onEnd`. */
  clear(): void {
    const held = this.current();
    if (!held) return this.write(null);
    this.settled.add(held.login);
    this.write(null);
    this.channel.post({ type: 'cleared', login: held.login });
  }

  /** Clears the tokens of an ended session if still stored, and reports it once. A later login stays. */
  end(login: string, notice: SessionEndNotice): void {
    const held = this.current();
    if (this.isSettled(login) || (held && held.login !== login)) return;
    if (held) this.write(null);
    this.channel.post({ type: 'ended', login, notice });
    attempt(() => this.onEnd(notice));
  }

  subscribe(listener: () => void): () => void {
    // Wrapped, so that one function can subscribe twice.
    const own = () => listener();
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  close(): void {
    this.unwatch();
    this.channel.close();
    this.listeners.clear();
  }

  private hear(message: TabMessage): void {
    const held = this.current();
    if (message.type !== 'cleared' && message.type !== 'ended') return;
    const { login } = message;
    // Possibly a login of a tab with its own storage.
    if (login !== this.lastLogin) return;
    // Copied storages, as in a duplicated tab, were not cleared by the other tab.
    if (held?.login === login) this.write(null);
    if (!this.isSettled(login) && message.type === 'ended') attempt(() => this.onEnd(message.notice));
  }

  /** Marks a login as settled; returns true if it already was. */
  private isSettled(login: string): boolean {
    if (this.settled.has(login)) return true;
    this.settled.add(login);
    return false;
  }

  private read(): string | null {
    let stored: unknown = null;
    try {
      stored = this.storage.read();
    } catch {
      // Access was denied meanwhile: treat as empty.
    }
    const text = typeof stored === 'string' ? stored : null;
    if (this.unsaved?.stored === text) return this.unsaved.text;
    this.unsaved = null;
    return text;
  }

  private write(tokens: HeldTokens | null): void {
    const text = tokens && JSON.stringify(tokens);
    this.unsaved = null;
    try {
      this.storage.write(text);
    } catch {
      // The storage is full or denied: these are the only working tokens, so this tab must keep them.
      this.unsaved = { text, stored: this.read() };
    }
    this.current();
  }

  /** Deferred, so that reading the tokens calls no listener, and several changes call each once. */
  private tellListeners(): void {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      for (const listener of [...this.listeners]) attempt(listener);
    });
  }
}
