import type { SessionEndNotice } from './end-notice.js';
import { report } from './page.js';
import { type HeldTokens, parseTokens } from './session-tokens.js';
import type { TabChannel, TabMessage } from './tabs.js';
import type { TokenStorage } from './token-storage.js';

/**
 * The tokens of this tab and of those that share its storage. The storage is read at every look, since another tab may have
 * written; messages only say that it is time to look, and why a session ended.
 */
export class TokenKeeper {
  private readonly listeners = new Set<() => void>();
  /** Logins whose end was told, or that the application itself has cleared. */
  private readonly settled = new Set<string>();
  private text: string | null = null;
  private tokens: HeldTokens | null = null;
  /** The login that was held last, though its tokens may be gone. */
  private lastLogin: string | null = null;
  /** Text that the storage did not take, and the text that it had then. */
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

  /** Newer tokens of the same login, or null. */
  newer(than: HeldTokens): HeldTokens | null {
    const held = this.current();
    return held?.login === than.login && held.accessToken !== than.accessToken ? held : null;
  }

  /** True if exactly these are still the tokens. */
  isCurrent({ login, accessToken }: HeldTokens): boolean {
    const held = this.current();
    return held?.login === login && held.accessToken === accessToken;
  }

  /** Begins with the tokens of a login, whatever was held before. */
  begin(tokens: HeldTokens): void {
    this.write(tokens);
    this.channel.post({ type: 'changed' });
  }

  /** Puts tokens in the place of those that they follow; nothing, if these are not held any more. */
  follow(before: HeldTokens, next: HeldTokens): void {
    if (this.isCurrent(before)) this.begin(next);
  }

  /** Forgets the tokens because the application says so, of which `onEnd` is not told. */
  clear(): void {
    const held = this.current();
    if (!held) return this.write(null);
    this.settled.add(held.login);
    this.write(null);
    this.channel.post({ type: 'cleared', login: held.login });
  }

  /** Forgets the tokens of a session that ended, if they are still held, and tells it once. A later login stays. */
  end(login: string, notice: SessionEndNotice): void {
    const held = this.current();
    if (this.isSettled(login) || (held && held.login !== login)) return;
    if (held) this.write(null);
    this.channel.post({ type: 'ended', login, notice });
    this.tellEnd(notice);
  }

  subscribe(listener: () => void): () => void {
    // Wrapped, so that one function may be there twice.
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
    // It may be a login of a tab with a storage of its own.
    if (login !== this.lastLogin) return;
    // A storage that is a copy, as that of a duplicated tab, was not cleared by the other tab.
    if (held?.login === login) this.write(null);
    if (!this.isSettled(login) && message.type === 'ended') this.tellEnd(message.notice);
  }

  /** Settles a login; true if it was settled before. */
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
      // Forbidden meanwhile: as if there were nothing.
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
      // Full, or forbidden: these tokens are the only ones that work, so this tab must not lose them.
      this.unsaved = { text, stored: this.read() };
    }
    this.current();
  }

  private tellEnd(notice: SessionEndNotice): void {
    try {
      this.onEnd(notice);
    } catch (error) {
      report(error);
    }
  }

  /** Calls listeners later, so that reading the tokens calls no function, and once for several changes. */
  private tellListeners(): void {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      for (const listener of [...this.listeners]) {
        try {
          listener();
        } catch (error) {
          report(error);
        }
      }
    });
  }
}
