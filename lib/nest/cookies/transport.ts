import { checkOptions } from '../../model/checked-input.js';
import { invalidOption } from '../../model/session-error.js';

/** Options of `cookies()` and `both()`. Cookies are always HttpOnly and Secure, with Path=/. */
export class CookieOptions {
  /**
   * Requests of other sites that send the cookie: `lax` sends it when a link is followed, `strict` never, `none` always,
   * which needs `trustedOrigins`.
   */
  sameSite?: 'lax' | 'strict' | 'none' = 'lax';
  /**
   * Registrable domain whose subdomains share the cookie, such as `example.com`. Gives up the prefix `__Host-`, so that a
   * subdomain can set cookies of this name. Default: this host only.
   */
  domain?: string;
  /** Keeps a jar of its own for each site that embeds the application (CHIPS). */
  partitioned?: boolean = false;
  /** Origins of other sites that may act with the cookie, such as `https://app.example.com`. */
  trustedOrigins?: readonly string[] = [];
  /**
   * Path of the refresh route as the browser sees it, global prefix and version included. Default: that of SessionRoutesModule,
   * if the application uses it.
   */
  refreshPath?: string = '/auth/refresh';
  /**
   * Kinds of data that browsers delete when an answer removes the cookies, sent as Clear-Site-Data: `cache`, `cookies`, `storage`,
   * `executionContexts` or `*` (W3C Clear Site Data). Default: none.
   */
  clearSiteData?: readonly SiteData[] = [];
}

type SiteData = 'cache' | 'cookies' | 'storage' | 'executionContexts' | '*';

/** CookieOptions as checked. */
export interface CookieSettings {
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly domain: string | null;
  readonly partitioned: boolean;
  readonly trustedOrigins: ReadonlySet<string>;
  /** Null for the default. */
  readonly refreshPath: string | null;
  /** Value of Clear-Site-Data; null for none. */
  readonly clearSiteData: string | null;
}

/** How tokens travel between client and server. Made by `bearer`, `cookies` or `both`. */
export interface TokenTransport {
  readonly kind: 'bearer' | 'cookies' | 'both';
  /** Null for `bearer`. */
  readonly cookies: CookieSettings | null;
}

/** Carries tokens in the Authorization header and in JSON bodies. The default. */
export function bearer(): TokenTransport {
  return { kind: 'bearer', cookies: null };
}

/**
 * Carries tokens in cookies that no script can read, for applications whose clients are browsers. Requests of other sites
 * are refused with 403 CROSS_SITE_REQUEST.
 * @throws SessionError CONFIGURATION_INVALID naming the option
 */
export function cookies(options: CookieOptions = {}): TokenTransport {
  return { kind: 'cookies', cookies: settingsOf(options) };
}

/**
 * Accepts both. A login with one of the headers Sec-Fetch-Site, Origin and `X-Session-Transport: cookie` gets cookies, any
 * other gets tokens in the body; a refresh is answered the way its token came.
 * @throws SessionError CONFIGURATION_INVALID naming the option
 */
export function both(options: CookieOptions = {}): TokenTransport {
  return { kind: 'both', cookies: settingsOf(options) };
}

/** Checks, as far as possible, that a value was made by one of the functions above. */
export function isTransport(value: unknown): value is TokenTransport {
  const { kind, cookies: settings } = (value ?? {}) as Partial<TokenTransport>;
  if (kind === 'bearer') return settings === null;
  return (kind === 'cookies' || kind === 'both') && settings?.trustedOrigins instanceof Set;
}

const SAME_SITE = { lax: 'Lax', strict: 'Strict', none: 'None' } as const;
const SITE_DATA = new Set<unknown>(['cache', 'cookies', 'storage', 'executionContexts', '*'] satisfies SiteData[]);
const DOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/i;
/** Path characters of RFC 3986 that a cookie attribute may hold (RFC 6265 section 4.1.1). */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/;

function settingsOf(given: CookieOptions): CookieSettings {
  checkOptions(given, 'transport.', { ...new CookieOptions(), domain: true });
  const {
    sameSite = 'lax',
    domain,
    partitioned = false,
    trustedOrigins = [],
    refreshPath = null,
    clearSiteData = [],
  } = given;
  if (!Object.hasOwn(SAME_SITE, sameSite)) throw invalidOption('transport.sameSite', 'must be lax, strict or none');
  if (domain !== undefined && (typeof domain !== 'string' || !DOMAIN.test(domain))) {
    throw invalidOption('transport.domain', 'must be a domain such as example.com, without a leading dot or a port');
  }
  if (typeof partitioned !== 'boolean') throw invalidOption('transport.partitioned', 'must be true or false');
  if (!Array.isArray(trustedOrigins)) throw invalidOption('transport.trustedOrigins', 'must be a list of origins');
  if (sameSite === 'none' && trustedOrigins.length === 0) {
    throw invalidOption(
      'transport.sameSite',
      'can be none only with trustedOrigins: the sites that may use the cookie',
    );
  }
  if (given.refreshPath !== undefined && !(typeof refreshPath === 'string' && PATH.test(refreshPath))) {
    throw invalidOption('transport.refreshPath', 'must be the path of the refresh route, such as /api/auth/refresh');
  }
  if (!Array.isArray(clearSiteData) || !clearSiteData.every((kind) => SITE_DATA.has(kind))) {
    throw invalidOption('transport.clearSiteData', `must be a list of ${[...SITE_DATA].join(', ')}`);
  }
  return {
    sameSite: SAME_SITE[sameSite],
    domain: domain?.toLowerCase() ?? null,
    partitioned,
    trustedOrigins: new Set((trustedOrigins as readonly unknown[]).map(originOf)),
    refreshPath,
    clearSiteData: clearSiteData.length === 0 ? null : clearSiteData.map((kind) => `"${kind}"`).join(', '),
  };
}

/** Lower case, as browsers send it: no wildcard, no path, and not the opaque `null`, which every sandbox sends. */
function originOf(value: unknown): string {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  const isOrigin = /^https?:\/\/[^/*?#@\s]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
  if (isOrigin) return text;
  throw invalidOption(
    'transport.trustedOrigins',
    'must hold origins as browsers send them, such as https://app.example.com or http://localhost:5173: without path, ' +
      'wildcard or default port',
  );
}
