import type { SessionEndNotice } from './end-notice.js';
import { page } from './page.js';
import type { TabLocks } from './tabs.js';
import { type TokenStorage, defaultStorage } from './token-storage.js';

/** Header names, equal to the option `headers` of the server's module. */
export interface ClientHeaders {
  /** Default `X-Renewed-Token`. */
  readonly renewedToken?: string;
  /** Default `X-Renewed-Token-Expires-In`. */
  readonly renewedTokenExpiresIn?: string;
  /** Keeps a refresh from counting as a use of the session. Default `X-No-Activity`; false sends no header. */
  readonly noActivity?: string | false;
}

/** Options of createSessionClient. All are optional. */
export interface SessionClientOptions {
  /** URL of the server, http or https, against which paths are resolved. Default: the page's own. */
  readonly baseUrl?: string | URL;
  /**
   * Route of the same origin as baseUrl that takes POST `{ refreshToken }` and answers like a login. Default null: no
   * refreshing.
   */
  readonly refreshUrl?: string | URL | null;
  /**
   * The server keeps the tokens in cookies (its option `transport`). No script sees a token then: `token` is null, and
   * `refreshUrl` gets no body. Default: false.
   */
  readonly cookies?: boolean;
  /** Route of the same origin that `logOut` asks by POST. */
  readonly logoutUrl?: string | URL | null;
  /** Default: localStorage, or memory if it is missing. */
  readonly storage?: TokenStorage;
  /** Called once in every tab for each session that ended, after its tokens were cleared. */
  readonly onEnd?: (end: SessionEndNotice) => void;
  /** Sends a Request. Default: the page's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Default: `navigator.locks`. For null, see docs/client.md on tabs. */
  readonly locks?: TabLocks | null;
  readonly headers?: ClientHeaders;
  /** Time limit of a refresh, and of waiting for another tab's, in milliseconds. Default 15,000. */
  readonly refreshTimeoutMs?: number;
}

/** Validated options with defaults applied. */
export type ResolvedClientOptions = Readonly<ReturnType<typeof resolveClientOptions>>;

const KNOWN = [
  ...['baseUrl', 'refreshUrl', 'cookies', 'logoutUrl', 'storage', 'onEnd', 'fetch', 'locks', 'headers'],
  'refreshTimeoutMs',
];

/** @throws TypeError that names the option and what it must be */
export function resolveClientOptions(given: SessionClientOptions) {
  if (typeof given !== 'object' || given === null) throw new TypeError('The options must be an object.');
  requireUrls();
  refuseUnknown(given, KNOWN, invalid);
  const { baseUrl, storage, fetch: send, locks, refreshTimeoutMs = 15_000, cookies = false } = given;
  const onEnd: Required<SessionClientOptions>['onEnd'] = given.onEnd ?? (() => undefined);
  const fixed = baseUrl === undefined ? null : urlOf('baseUrl', baseUrl, pageUrl());
  const base = () => fixed ?? pageUrl();
  const { origin, protocol } = base() ?? {};
  if (origin === undefined) throw invalid('baseUrl', 'is required outside of a page');
  if (protocol !== 'http:' && protocol !== 'https:') throw invalid('baseUrl', 'must be an http or https URL');
  if (typeof cookies !== 'boolean') throw invalid('cookies', 'must be true or false');
  if (typeof onEnd !== 'function') throw invalid('onEnd', 'must be a function');
  if (send !== undefined && typeof send !== 'function') throw invalid('fetch', 'must be a function');
  if (storage !== undefined && !(hasMethod(storage, 'read') && hasMethod(storage, 'write'))) {
    const problem = 'must be made by webStorage(), asyncStorage() or memoryStorage(), or have read() and write()';
    throw invalid('storage', problem);
  }
  if (storage && readsLater(storage)) {
    throw invalid('storage', 'must be wrapped by asyncStorage(), because its read() returns a promise');
  }
  if (locks != null && !hasMethod(locks, 'request')) throw invalid('locks', 'must be like navigator.locks, or null');
  if (typeof refreshTimeoutMs !== 'number' || !(refreshTimeoutMs > 0 && refreshTimeoutMs <= 600_000)) {
    throw invalid('refreshTimeoutMs', 'must be a number of milliseconds, above 0 and at most 600,000');
  }
  return {
    origin,
    /** Current base of relative paths. */
    base: base as () => URL,
    refreshUrl: resolveUrl('refreshUrl', given.refreshUrl ?? null, base() as URL),
    logoutUrl: resolveUrl('logoutUrl', given.logoutUrl ?? null, base() as URL),
    cookies,
    storage: storage ?? defaultStorage(),
    onEnd,
    // Called on the global object, because browsers refuse any other `this`.
    fetch: send ?? ((...call: Parameters<typeof fetch>) => globalThis.fetch(...call)),
    locks: locks === undefined ? pageLocks() : locks,
    headers: resolveHeaders(given.headers ?? {}),
    refreshTimeoutMs,
  };
}

function resolveUrl(name: string, given: string | URL | null, base: URL): URL | null {
  if (given === null) return null;
  const url = urlOf(name, given, base);
  if (url.origin === base.origin && url.protocol === base.protocol) return url;
  throw invalid(name, `must have the origin of baseUrl, ${base.origin}: tokens are sent nowhere else`);
}

function resolveHeaders(given: ClientHeaders): Required<ClientHeaders> {
  if (typeof given !== 'object') throw invalid('headers', 'must be an object');
  const headers: Required<ClientHeaders> = {
    renewedToken: 'X-Renewed-Token',
    renewedTokenExpiresIn: 'X-Renewed-Token-Expires-In',
    noActivity: 'X-No-Activity',
  };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(headers, name)) throw invalid(`headers.${name}`, 'is unknown');
    if (value === undefined) continue;
    const isNone = name === 'noActivity' && value === false;
    if (!isNone && !(typeof value === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/.test(value))) {
      throw invalid(`headers.${name}`, 'must be the name of an HTTP header');
    }
    Object.assign(headers, { [name]: value });
  }
  return headers;
}

function urlOf(name: string, value: unknown, base: URL | null): URL {
  if (typeof value !== 'string' && !(value instanceof URL)) throw invalid(name, 'must be a URL');
  try {
    return new URL(value, base ?? undefined);
  } catch {
    throw invalid(name, base ? 'must be a URL' : 'must be an absolute URL outside of a page');
  }
}

function pageUrl(): URL | null {
  const text = page.document?.baseURI ?? page.location?.href;
  return text === undefined ? null : new URL(text);
}

function pageLocks(): TabLocks | null {
  const locks = page.navigator?.locks;
  return hasMethod(locks, 'request') ? (locks as TabLocks) : null;
}

/** Detects asynchronous storages. A storage that cannot be read now may work later. */
function readsLater(storage: TokenStorage): boolean {
  try {
    const read: unknown = storage.read();
    if (!hasMethod(read, 'then')) return false;
    (read as Promise<unknown>).then(undefined, () => undefined);
    return true;
  } catch {
    return false;
  }
}

/** Refuses React Native's built-in URL, most of which throws. */
function requireUrls(): void {
  try {
    if (new URL('/path', 'https://host/').origin === 'https://host') return;
  } catch {
    // Missing, or not implemented.
  }
  throw new TypeError(
    'The session client needs a complete implementation of URL. On React Native, load react-native-url-polyfill/auto before it.',
  );
}

/** Misspelled options must not be ignored. */
export function refuseUnknown(given: object, known: readonly string[], fail: (name: string, problem: string) => Error) {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw fail(name, `is unknown; allowed: ${known.join(', ')}`);
  }
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
}

function invalid(name: string, problem: string): TypeError {
  return new TypeError(`The option "${name}" of the session client ${problem}.`);
}
