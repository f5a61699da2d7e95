import type { ServerResponse } from 'node:http';
import type { UserSession } from '../../model/session.js';
import { SessionError, misused } from '../../model/session-error.js';
import type { RenewedToken } from '../../model/verification.js';
import type { Clock } from '../../ports/clock.js';
import { type IssuedTokens, realmOfIssued } from '../../tokens/token-issuer.js';
import { beforeHead, nodeResponse } from '../http/response-head.js';
import { CookieJar, keepPrivate } from './cookie-jar.js';
import { type CookieNames, CookieNaming } from './cookie-names.js';
import { cookieValues, isToken, setCookie } from './cookie-text.js';
import { type BrowserRequest, type Channel, crossSiteReason, isHttps } from './request-origin.js';
import type { CookieSettings } from './transport.js';

/** Longest life of a cookie in browsers (RFC 6265bis section 5.5). Seconds. */
const MAX_AGE = 400 * 86_400;
/** Most bytes of name and value that every browser keeps (RFC 6265 section 6.1). */
const MAX_BYTES = 4096;

/** Result of `login` or `refresh`. */
export type SessionTokens = IssuedTokens & { readonly session: UserSession };

/**
 * Reads and writes the cookies of one SessionModule. Inject it to write them in a handler with `@Res()`, on a route with
 * `@SessionAnswer()`. Provided by SessionModule, for `transport: cookies()` and `both()`.
 */
export class SessionCookies {
  private readonly naming: CookieNaming;
  private readonly jars = new WeakMap<ServerResponse, CookieJar>();
  private readonly checked = new WeakSet<object>();
  /** Path of the refresh route without the option `refreshPath`. */
  defaultRefreshPath = '/auth/refresh';

  constructor(
    private readonly parts: {
      readonly realm: string;
      /** Null for `bearer`: no cookie is read or written. */
      readonly settings: CookieSettings | null;
      /** Returns the id of the session that a token names under its MAC, or null. */
      readonly sessionIdOf: (token: string) => Promise<string | null>;
      /** Returns the latest version of a session that this node has heard of; 0 for none. */
      readonly versionOf: (sessionId: string) => number;
      /** Milliseconds for which the predecessor of a renewed token is accepted. */
      readonly graceMs: number;
      readonly clock: Clock;
    },
  ) {
    this.naming = new CookieNaming(parts.realm, parts.settings);
  }

  /**
   * Reads the session cookie: its values, of which one may be ours; null for none.
   * @returns `malformed` for text that is no token, and for two tokens: no browser holds two `__Host-` cookies
   */
  read(request: BrowserRequest): readonly string[] | 'malformed' | null {
    const header = request.headers?.cookie;
    if (header === undefined) return null;
    let values = cookieValues(header, this.naming.secure.session);
    if (values.length === 0 && !isHttps(request)) {
      const names = this.naming.local(request);
      if (names) values = cookieValues(header, names.session);
    }
    const tokens = values.length > 1 ? [...new Set(values)].filter((value) => value !== '') : values;
    if (tokens.length === 0 || tokens[0] === '') return null;
    // With a domain, another host may have set the other.
    if (tokens.length > 1 && !this.settings.domain) return 'malformed';
    return tokens.every(isToken) ? tokens : 'malformed';
  }

  /**
   * Reads the refresh cookie that belongs to the session cookie, expired or not; null for none. A subdomain could set a
   * refresh cookie of its own, but no session cookie beside it.
   */
  async readRefresh(request: BrowserRequest): Promise<string | null> {
    const session = this.read(request);
    if (session === null || session === 'malformed') return null;
    const { sessionIdOf } = this.parts;
    const ids = await Promise.all(session.map(sessionIdOf));
    const local = isHttps(request) ? null : this.naming.local(request);
    const names = [this.naming.secure.refresh, ...(local ? [local.refresh] : [])];
    const values = new Set(names.flatMap((name) => cookieValues(request.headers?.cookie, name)).filter(isToken));
    for (const token of values) {
      const id = await sessionIdOf(token);
      if (id !== null && ids.includes(id)) return token;
    }
    return null;
  }

  /** Returns why a request may have been made by another site, or null. */
  crossSiteReason(request: BrowserRequest, channel?: Channel): string | null {
    return crossSiteReason(request, this.settings.trustedOrigins, channel);
  }

  /**
   * Prepares an answer that sets cookies, before its handler opens or ends a session.
   * @throws SessionError CROSS_SITE_REQUEST; CONFIGURATION_INVALID if no browser would keep the cookies
   */
  check(request: BrowserRequest, allowCrossSite: boolean): void {
    const reason = allowCrossSite ? null : this.crossSiteReason(request);
    if (reason !== null) throw new SessionError('CROSS_SITE_REQUEST', undefined, { cause: new Error(reason) });
    this.naming.need(request);
    this.checked.add(rawOf(request));
  }

  /**
   * Sets the cookies of a login or refresh.
   * @param response of a handler on a route with `@SessionAnswer()`, its head not yet sent
   * @param result as TokenService returned it
   * @throws SessionError CONFIGURATION_INVALID for any other
   */
  write(response: unknown, result: SessionTokens): void {
    if (realmOfIssued(result) !== this.parts.realm) {
      throw misused(
        'SessionCookies.write needs the result of login or refresh, as TokenService of the same realm returned it',
      );
    }
    const { jar, names } = this.open(response, 'write');
    const { session, accessToken, refreshToken, refreshExpiresAt = session.expiresAt } = result;
    const maxAge = this.maxAgeOf(session, refreshExpiresAt);
    this.put(jar, names, names.session, accessToken, maxAge);
    if (refreshToken !== undefined) this.put(jar, names, names.refresh, refreshToken, maxAge);
    const { hostOnly } = this.naming;
    // Would be sent beside the new one, if the option `domain` was added since.
    if (names.secure && names.session !== hostOnly) {
      jar.set(hostOnly, setCookie(hostOnly, '', { ...this.attributes(names, hostOnly, 0), domain: null }));
    }
    jar.clearSiteData = jar.status = null;
    jar.isDecided = true;
  }

  /** Removes the cookies. @param response as for `write` */
  clear(response: unknown): void {
    const { jar, names } = this.open(response, 'clear');
    this.remove(jar, names);
  }

  /** True once `write` or `clear` has decided what an answer sets. */
  isDecided(response: unknown): boolean {
    const target = nodeResponse(response);
    return target !== null && this.jars.get(target)?.isDecided === true;
  }

  /**
   * Removes the cookies of a refused token, if the browser navigates to the answer. Not in answers to scripts: another tab
   * may have logged in meanwhile, and Set-Cookie has no condition.
   */
  clearRefused(request: BrowserRequest, response: unknown): void {
    const names = request.headers?.['sec-fetch-mode'] === 'navigate' ? this.naming.of(request) : null;
    const target = names && nodeResponse(response);
    if (!names || !target || target.headersSent) return;
    const jar = this.jarOf(target);
    this.remove(jar, names, 401);
  }

  /** Keeps shared caches from an answer that depends on the cookie, and passes a renewal on. */
  protect(request: BrowserRequest, response: unknown, session: UserSession | null, renewed: RenewedToken | null): void {
    const target = nodeResponse(response);
    if (!target || target.headersSent) return;
    if (!renewed || !session) {
      beforeHead(target, keepPrivate);
      return;
    }
    const jar = this.jarOf(target);
    const { clock, graceMs, versionOf } = this.parts;
    const since = clock.now();
    const version = versionOf(session.id);
    // Judged as late as possible: a slow answer must not bring back a token that is over, or that has a successor.
    jar.onHead = () => {
      const names = this.naming.of(request);
      if (!names || clock.now() - since > graceMs / 2) return;
      if (versionOf(session.id) !== version || !fits(names.session, renewed.accessToken)) return;
      this.put(jar, names, names.session, renewed.accessToken, this.maxAgeOf(session, session.expiresAt));
    };
  }

  /** Name of the session cookie over https. */
  get name(): string {
    return this.naming.secure.session;
  }

  /** Path to which browsers send the refresh cookie. */
  get refreshPath(): string {
    return this.settings.refreshPath ?? this.defaultRefreshPath;
  }

  private get settings(): CookieSettings {
    const { settings } = this.parts;
    if (!settings) throw misused('SessionCookies needs the option transport: cookies() or both()');
    return settings;
  }

  private open(response: unknown, method: string): { readonly jar: CookieJar; readonly names: CookieNames } {
    const target = nodeResponse(response);
    const request = requestOf(response);
    if (!target || !request) {
      throw misused(`SessionCookies.${method} needs the response of Express or the reply of Fastify`);
    }
    if (!this.checked.has(rawOf(request))) {
      throw misused(`SessionCookies.${method} needs a route with @SessionAnswer(), which refuses other sites`);
    }
    if (target.headersSent) throw misused(`SessionCookies.${method} was called after the head of the answer was sent`);
    return { jar: this.jarOf(target), names: this.naming.need(request) };
  }

  private jarOf(target: ServerResponse): CookieJar {
    let jar = this.jars.get(target);
    if (!jar) this.jars.set(target, (jar = new CookieJar(target)));
    return jar;
  }

  private remove(jar: CookieJar, names: CookieNames, status: number | null = null): void {
    for (const name of [names.session, names.refresh]) {
      jar.set(name, setCookie(name, '', this.attributes(names, name, 0)));
    }
    jar.clearSiteData = this.settings.clearSiteData;
    jar.status = status;
    jar.isDecided = true;
  }

  private put(jar: CookieJar, names: CookieNames, name: string, token: string, maxAge: number | null): void {
    if (!fits(name, token))
      throw misused(`The cookie ${name} has more than ${MAX_BYTES} bytes, which browsers do not keep`);
    jar.set(name, setCookie(name, token, this.attributes(names, name, maxAge)));
  }

  private attributes({ refresh, secure }: CookieNames, name: string, maxAge: number | null) {
    const { sameSite, domain, partitioned } = this.settings;
    const common = { secure, domain, partitioned, maxAge };
    if (name !== refresh) return { ...common, path: '/', sameSite };
    return { ...common, path: this.refreshPath, sameSite: sameSite === 'None' ? sameSite : 'Strict' };
  }

  private maxAgeOf({ persistent }: UserSession, until: number): number | null {
    return persistent ? Math.min(MAX_AGE, Math.max(1, Math.floor((until - this.parts.clock.now()) / 1000))) : null;
  }
}

function fits(name: string, token: string): boolean {
  return name.length + token.length <= MAX_BYTES;
}

/** The request of a response, as Nest hands it to guards. */
function requestOf(response: unknown): BrowserRequest | null {
  const { req, request } = response as { readonly req?: BrowserRequest; readonly request?: BrowserRequest };
  return request ?? req ?? null;
}

/** Node's request behind one of Fastify. */
function rawOf(request: BrowserRequest): object {
  return (request as { readonly raw?: object }).raw ?? request;
}
