import { page } from './page.js';

/**
 * Keeps the tokens as one text. Calls are synchronous and each is atomic. A call that throws fails no request: text that cannot
 * be read counts as missing, and text that cannot be written is kept in the memory of this tab.
 */
export interface TokenStorage {
  /** Null for nothing. */
  read(): string | null;
  /** Null removes. */
  write(text: string | null): void;
  /** Name of what the tabs have in common, which their messages and their lock go by; null or absent if they share nothing. */
  readonly shared?: string | null;
  /** Set if the storage has to be read first: resolves when that is done, never rejects. Until then `read` gives null. */
  readonly ready?: Promise<void>;
  /** Calls the listener when another tab has written, if that can be told; returns how to stop. */
  watch?(listener: () => void): () => void;
}

/** The part of localStorage and sessionStorage that the client uses. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The part of React Native's AsyncStorage, and of the like of it, that the client uses. */
export interface AsyncWebStorage {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<unknown>;
  removeItem(key: string): Promise<unknown>;
}

const LONGEST_LOAD_MS = 5000;
const DEFAULT_KEY = 'nestjs-latchkey';

/** Keeps the tokens until the page is left; every tab has its own login. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null;
  return {
    shared: null,
    read: () => kept,
    write: (text) => {
      kept = text;
    },
  };
}

/**
 * Keeps the tokens in localStorage or what is like it, for all tabs of the origin.
 * @param key name of the entry, default `nestjs-latchkey`; clients of different servers on one origin need different ones
 * @throws TypeError
 */
export function webStorage(storage: WebStorage, key: string = DEFAULT_KEY): TokenStorage {
  if (!isWebStorage(storage))
    throw new TypeError('webStorage needs localStorage, sessionStorage or a compatible object.');
  if (typeof key !== 'string' || key === '') throw new TypeError('The key of webStorage must be text.');
  return {
    shared: key,
    read: () => storage.getItem(key),
    write: (text) => (text === null ? storage.removeItem(key) : storage.setItem(key, text)),
    watch: (listener) => {
      const onStorage = (event: unknown) => {
        const { storageArea, key: changed } = event as { storageArea?: unknown; key?: string | null };
        // A null key: all of it was cleared.
        if (storageArea === storage && (changed === key || changed === null)) listener();
      };
      // A page that the user has come back to was told of nothing while it was away.
      const events = { storage: onStorage, pageshow: () => listener() };
      for (const [type, react] of Object.entries(events)) page.addEventListener?.(type, react);
      return () => {
        for (const [type, react] of Object.entries(events)) page.removeEventListener?.(type, react);
      };
    },
  };
}

/**
 * Keeps the tokens in a storage that answers later, such as AsyncStorage of React Native: it is read once, and written behind a copy in
 * memory. What it does not take, or has not given after five seconds, is as if it were not there.
 * @param key name of the entry, default `nestjs-latchkey`
 * @throws TypeError
 */
export function asyncStorage(storage: AsyncWebStorage, key: string = DEFAULT_KEY): TokenStorage {
  if (!isWebStorage(storage)) throw new TypeError('asyncStorage needs getItem, setItem and removeItem.');
  if (typeof key !== 'string' || key === '') throw new TypeError('The key of asyncStorage must be text.');
  let kept: string | null | undefined;
  let changed: () => void = () => undefined;
  let writes: Promise<unknown> = Promise.resolve();
  const loaded = withinTime(storage, key).then((text) => {
    // A login while it was being read is later than what was there.
    if (kept !== undefined) return;
    kept = text;
    changed();
  });
  return {
    shared: null,
    ready: loaded,
    read: () => kept ?? null,
    write: (text) => {
      kept = text;
      // In order. The copy in memory is the one that counts.
      const write = () => (text === null ? storage.removeItem(key) : storage.setItem(key, text));
      writes = writes.then(write).catch(() => undefined);
    },
    watch: (listener) => {
      changed = listener;
      return () => (changed = () => undefined);
    },
  };
}

/** Null where it cannot be read. */
function withinTime(storage: AsyncWebStorage, key: string): Promise<string | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), LONGEST_LOAD_MS);
    Promise.resolve()
      .then(() => storage.getItem(key))
      .then((text) => resolve(typeof text === 'string' ? text : null))
      .catch(() => resolve(null))
      .finally(() => clearTimeout(timer));
  });
}

/** Keeps tokens in localStorage, or in memory if that is missing, forbidden or takes nothing. */
export function defaultStorage(): TokenStorage {
  try {
    const localStorage = page.localStorage as WebStorage;
    if (!isWebStorage(localStorage)) return memoryStorage();
    const probe = `${DEFAULT_KEY}:probe`;
    localStorage.setItem(probe, probe);
    localStorage.removeItem(probe);
    return webStorage(localStorage);
  } catch {
    return memoryStorage();
  }
}

function isWebStorage(value: unknown): boolean {
  const { getItem, setItem, removeItem } = (value ?? {}) as Partial<WebStorage>;
  return [getItem, setItem, removeItem].every((method) => typeof method === 'function');
}
