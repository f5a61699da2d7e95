import { randomUUID } from 'node:crypto';
import {
  type SessionClient,
  type SessionClientOptions,
  type SessionEndNotice,
  type TabLocks,
  type WebStorage,
  createSessionClient,
  webStorage,
} from 'nestjs-latchkey/client';
import { pair } from './token-server.js';

export class SharedStorage implements WebStorage {
  readonly entries = new Map<string, string>();

  getItem(key: string): string | null {
    return this.entries.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.entries.set(key, value);
  }

  removeItem(key: string): void {
    this.entries.delete(key);
  }
}

/** What navigator.locks is to them: work of one name runs one after the other. */
export class SharedLocks implements TabLocks {
  private readonly tails = new Map<string, Promise<unknown>>();
  waiting = 0;
  readonly requested: string[] = [];

  async request(name: string, work: () => Promise<void>): Promise<void> {
    this.requested.push(name);
    this.waiting += 1;
    const turn = (this.tails.get(name) ?? Promise.resolve()).then(() => {
      this.waiting -= 1;
      return work();
    });
    this.tails.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }
}

export interface Tab {
  readonly client: SessionClient;
  readonly ends: SessionEndNotice[];
}

/** A browser whose tabs share storage, messages and locks, and nothing with the browsers of other tests. */
export class Browser {
  readonly storage = new SharedStorage();
  readonly key = `test-${randomUUID()}`;
  private readonly tabs: Tab[] = [];

  /** @param locks null for a browser without Web Locks */
  constructor(
    private readonly options: SessionClientOptions,
    readonly locks: SharedLocks | null = new SharedLocks(),
  ) {}

  openTab(options: SessionClientOptions = {}): Tab {
    const ends: SessionEndNotice[] = [];
    const client = createSessionClient({
      storage: webStorage(this.storage, this.key),
      locks: this.locks,
      onEnd: (end) => void ends.push(end),
      ...this.options,
      ...options,
    });
    const tab = { client, ends };
    this.tabs.push(tab);
    return tab;
  }

  signIn(generation: number, options?: SessionClientOptions): Tab {
    const tab = this.openTab(options);
    tab.client.setTokens(pair(generation));
    return tab;
  }

  signInTwo(generation: number, options?: SessionClientOptions): [one: Tab, two: Tab] {
    const [one, two] = [this.openTab(options), this.openTab(options)];
    one.client.setTokens(pair(generation));
    return [one, two];
  }

  get stored(): string | null {
    return this.storage.getItem(this.key);
  }

  close(): void {
    for (const { client } of this.tabs) client.close();
  }
}
