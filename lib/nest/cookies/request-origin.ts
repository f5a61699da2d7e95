import { isIP } from 'node:net';

/** Request of Express or Fastify, as far as it tells where it comes from. */
export interface BrowserRequest {
  readonly method?: unknown;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** `https` or `http`, by the adapter's trust in proxies. */
  readonly protocol?: unknown;
  /** Host and port, by the same. */
  readonly host?: unknown;
  readonly socket?: { readonly remoteAddress?: unknown; readonly encrypted?: unknown } | null;
}

const SAFE_METHODS = new Set<unknown>(['GET', 'HEAD', 'OPTIONS']);
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'];

/** True for methods that change nothing (RFC 9110 section 9.2.1). TRACE is not one: a browser sends none. */
export function isSafeMethod({ method }: BrowserRequest): boolean {
  return SAFE_METHODS.has(method);
}

export function isHttps({ protocol, socket }: BrowserRequest): boolean {
  return typeof protocol === 'string' ? protocol === 'https' : socket?.encrypted === true;
}

/** Host and port of the request's target, in lower case; an empty text for none. */
export function hostOf({ host, headers }: BrowserRequest): string {
  const known = typeof host === 'string' ? host : headers?.host;
  return typeof known === 'string' ? known.toLowerCase() : '';
}

/**
 * True if browser and server are on one machine with no proxy between them, as during development: plain http is secure
 * there.
 */
export function isLocal(request: BrowserRequest): boolean {
  const { headers = {}, socket } = request;
  if (FORWARDED.some((name) => headers[name] !== undefined)) return false;
  return isLoopback(String(socket?.remoteAddress)) && isLoopback(hostOf(request).replace(/:\d+$/, ''));
}

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:/, '');
  if (isIP(name)) return name === '::1' || name.startsWith('127.');
  return name === 'localhost' || name.endsWith('.localhost');
}

/**
 * Request that opens a channel, made with GET: `stream` for server-sent events and polls, which browsers may send without
 * any header, `socket` for a WebSocket, whose Origin decides.
 */
export type Channel = 'stream' | 'socket';

/**
 * Returns why a request may have been made by another site, or null if it was made by this one, by a trusted one, or by
 * the user. Browsers of today tell by Sec-Fetch-Site (Fetch Metadata), older ones by Origin; a client that is no browser
 * sends X-Requested-With, which a foreign page cannot without a preflight.
 * @param trusted origins in lower case
 */
export function crossSiteReason(
  request: BrowserRequest,
  trusted: ReadonlySet<string>,
  channel?: Channel,
): string | null {
  const { origin, 'sec-fetch-site': site, 'x-requested-with': requestedWith } = request.headers ?? {};
  const isTrusted = typeof origin === 'string' && trusted.has(origin.toLowerCase());
  if (channel === 'socket') {
    return isTrusted || isOwn(request, origin) ? null : `the Origin of its WebSocket is ${quoted(origin)}`;
  }
  if (site === 'same-origin') return null;
  if (site === 'none') {
    return origin === undefined || isOwn(request, origin)
      ? null
      : `the user made it, but its Origin is ${quoted(origin)}`;
  }
  if (site === 'same-site' || site === 'cross-site') {
    return isTrusted ? null : `Sec-Fetch-Site is ${site}, and trustedOrigins lacks the Origin ${quoted(origin)}`;
  }
  if (site !== undefined) return `Sec-Fetch-Site is ${quoted(site)}`;
  if (origin !== undefined) {
    if (isTrusted || isOwn(request, origin)) return null;
    return `its Origin ${quoted(origin)} is neither trusted nor ${ownOrigin(request)}, as this server sees itself (behind a proxy, "trust proxy" decides)`;
  }
  if (channel) return null;
  return requestedWith === undefined ? 'it has none of Sec-Fetch-Site, Origin and X-Requested-With' : null;
}

function isOwn(request: BrowserRequest, origin: unknown): boolean {
  // The request of a WebSocket may not have passed the framework, which knows of TLS that ended before.
  const own = [ownOrigin(request), ...(typeof request.protocol === 'string' ? [] : [`https://${hostOf(request)}`])];
  return typeof origin === 'string' && own.includes(origin.toLowerCase());
}

function ownOrigin(request: BrowserRequest): string {
  return `${isHttps(request) ? 'https' : 'http'}://${hostOf(request)}`;
}

/** Text of a client for a log line. */
function quoted(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 100);
}
