import { misused } from '../../model/session-error.js';
import { type BrowserRequest, hostOf, isHttps, isLocal } from './request-origin.js';
import type { CookieSettings } from './transport.js';

/** Names of the cookies of one module, for one kind of connection. */
export interface CookieNames {
  readonly session: string;
  readonly refresh: string;
  /** False for the names of plain http on this machine. */
  readonly secure: boolean;
}

/**
 * Names cookies so that browsers enforce where they come from: `__Host-` is refused without Secure and with a Domain, so
 * neither plain http nor a subdomain can set one (RFC 6265bis section 4.1.3).
 */
export class CookieNaming {
  readonly secure: CookieNames;
  /** Name of the session cookie without the option `domain`. */
  readonly hostOnly: string;

  constructor(
    private readonly realm: string,
    private readonly settings: CookieSettings | null,
  ) {
    this.hostOnly = this.namesWith('__Host-').session;
    this.secure = this.namesWith(settings?.domain ? '__Secure-' : '__Host-');
  }

  /** Returns the names for an answer to a request; null if no cookie may be set. */
  of(request: BrowserRequest): CookieNames | null {
    return isHttps(request) ? this.secure : this.local(request);
  }

  /**
   * Returns the names for plain http while developing, else null. They contain the port, because browsers send cookies to
   * every port of a host.
   */
  local(request: BrowserRequest): CookieNames | null {
    if (process.env.NODE_ENV === 'production' || !isLocal(request)) return null;
    return this.namesWith(null, `-${/:(\d+)$/.exec(hostOf(request))?.[1] ?? '80'}`);
  }

  /** @throws SessionError CONFIGURATION_INVALID if no browser would keep the cookies of an answer to this request */
  need(request: BrowserRequest): CookieNames {
    const names = this.of(request);
    if (!names) {
      throw misused(
        'Session cookies are set over https only, or during development over http on localhost without a proxy. If a proxy ends ' +
          'TLS, let it send X-Forwarded-Proto and tell the server to believe it: app.set("trust proxy", ...) on Express, ' +
          'trustProxy on Fastify',
      );
    }
    const domain = this.settings?.domain;
    const host = hostOf(request).replace(/:\d+$/, '');
    if (domain && host !== domain && !host.endsWith(`.${domain}`)) {
      throw misused(
        `The option "transport.domain" is ${domain}, and this server answers as ${host}: browsers refuse the cookie`,
      );
    }
    return names;
  }

  private namesWith(prefix: string | null, suffix = ''): CookieNames {
    const name = `session${this.realm === 'users' ? '' : `-${this.realm}`}${suffix}`;
    if (prefix === null) return { session: name, refresh: `${name}-refresh`, secure: false };
    return { session: `${prefix}${name}`, refresh: `__Secure-${name}-refresh`, secure: true };
  }
}
