import { page } from './page.js';

/**
 * Stores the tokens as one text. Calls are synchronous and atomic. Errors fail no request: unreadable text counts as
 * missing, and text that cannot be written stays in this tab's memory.
 */
export interface TokenStorage {
  /** Null if empty. */
  read(): string | null;
  /** Null removes. */
  write(text: string | null): void;
  /** Name that tabs with this storage share for messages and their lock; null or absent if they share nothing. */
  readonly shared?: string | null;
  /** Set by asynchronous storages: resolves once the storage has been read, never rejects. `read` returns null until then. */
  readonly ready?: Promise<void>;
  /** Calls the listener when another tab has written, where that can be detected. @returns function that stops */
  watch?(listener: () => void): () => void;
}

/** Subset of localStorage and sessionStorage used here. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Subset of React Native's AsyncStorage, and of similar ones, used here. */
export interface AsyncWebStorage {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<unknown>;
  removeItem(key: string): Promise<unknown>;
}

const LONGEST_LOAD_MS = 5000;
const DEFAULT_KEY = 'nestjs-latchkey';

/** Stores the tokens until the page is left. Every tab has its own login. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null;
  return { shared: null, read: () => kept, write: (text) => void (kept = text) };
}

/**
 * Stores the tokens in localStorage or a compatible object, for all tabs of the origin.
 * @param key name of the entry, default `nestjs-latchkey`; clients of different servers on one origin need different
 *   ones
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
        // A null key means that all was cleared.
        if (storageArea === storage && (changed === key || changed === null)) listener();
      };
      // A page restored from the back/forward cache got no events meanwhile.
      const events = { storage: onStorage, pageshow: () => listener() };
      for (const [type, react] of Object.entries(events)) page.addEventListener?.(type, react);
      return () => {
        for (const [type, react] of Object.entries(events)) page.removeEventListener?.(type, react);
      };
    },
  };
}

/**
 * Stores the tokens in an asynchronous storage, such as React Native's AsyncStorage: reads it once, then writes behind
 * a copy in memory. Ignores writes that fail, and an entry not read within five seconds.
 * @param key name of the entry, default `nestjs-latchkey`
 * @throws TypeError
 */
export function asyncStorage(storage: AsyncWebStorage, key: string = DEFAULT_KEY): TokenStorage {
  if (!isWebStorage(storage)) throw new TypeError('asyncStorage needs getItem, setItem and removeItem.');
  if (typeof key !== 'string' || key === '') throw new TypeError('The key of asyncStorage must be text.');
  let kept: string | null | undefined;
  let changed: () => void = () => undefined;
  let writes: Promise<unknown> = Promise.resolve();
  const ready = withinTime(storage, key).then((text) => {
    // A login during the read is newer than the stored entry.
    if (kept !== undefined) return;
    kept = text;
    changed();
  });
  return {
    shared: null,
    ready,
    read: () => kept ?? null,
    write: (text) => {
      kept = text;
      // In order. The copy in memory is authoritative.
      const write = () => (text === null ? storage.removeItem(key) : storage.setItem(key, text));
      writes = writes.then(write).catch(() => undefined);
    },
    watch: (listener) => {
      changed = listener;
      return () => (changed = () => undefined);
    },
  };
}

/** Null if it cannot be read. */
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

/** Returns localStorage, or memory if that is missing, denied or full. */
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
