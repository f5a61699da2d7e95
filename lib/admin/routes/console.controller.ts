import { hash } from 'node:crypto';
import { Controller, Get, Header, Inject, NotFoundException, Param, Req, Res } from '@nestjs/common';
import { Public } from '../../nest/http/route-decorators.js';
import { OwnRoutes } from '../../nest/http/route-input.js';
import { setHeaders } from '../../nest/http/answers.js';
import { SessionAuthenticator } from '../../nest/http/session-authenticator.js';
import { ADMIN_OPTIONS } from '../access/admin.guard.js';
import type { ConsoleOptions, ResolvedAdminOptions } from '../access/admin-options.js';
import { consoleAssets } from '../console-assets.js';

const ASSETS = new Map(
  Object.entries(consoleAssets).map(([name, text]) => {
    const ETag = `"${hash('sha256', text, 'base64url')}"`;
    const type = name.endsWith('.js') ? 'text/javascript' : 'text/css';
    return [name, { text, headers: { 'Content-Type': `${type}; charset=utf-8`, ETag } }];
  }),
);

/** Allows neither inline scripts nor inline styles, and forbids framing. */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: https:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': CONSOLE_CSP,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** Parts of a request, of Express or Fastify, that are used here. */
interface PageRequest {
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Serves the console page and its assets. Public, because they hold no data. */
@Controller()
@OwnRoutes()
@Public()
export class ConsoleController {
  constructor(
    @Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions,
    private readonly authenticator: SessionAuthenticator,
  ) {}

  @Get()
  page(@Req() { originalUrl }: PageRequest, @Res({ passthrough: true }) response: object): string {
    const { console } = this.options;
    if (!console) throw new NotFoundException();
    setHeaders(response, PAGE_HEADERS);
    // Relative, because a proxy may have removed what precedes the path.
    const [, last = ''] = /([^/?#]*)(?:[?#].*)?$/s.exec(originalUrl) ?? [];
    return consolePage(last === '' ? '.' : `./${last}`, {
      ...console,
      cookies: this.authenticator.transport.kind !== 'bearer',
    });
  }

  @Get('assets/:file')
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Cache-Control', 'no-cache')
  asset(
    @Param('file') file: string,
    @Req() { headers }: PageRequest,
    @Res({ passthrough: true }) response: { status(code: number): unknown },
  ): string | undefined {
    const asset = ASSETS.get(file);
    if (!this.options.console || !asset) throw new NotFoundException();
    setHeaders(response, asset.headers);
    if (headers['if-none-match'] !== asset.headers.ETag) return asset.text;
    response.status(304);
    return undefined;
  }
}

/** @param base URL of the admin routes, relative to the page: `./admin`, or `.` for a page whose URL ends with a slash */
export function consolePage(base: string, options: ConsoleOptions & { readonly cookies: boolean }): string {
  const { login, refresh = null, logout = null, reauthenticate = null, title = 'Sessions', cookies } = options;
  const config = JSON.stringify({ urls: { login, refresh, logout, reauthenticate }, title, cookies });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<meta name="session-console" content="${escape(config)}">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${escape(base)}/assets/console.css">
<script type="module" src="${escape(base)}/assets/console.js"></script>
</head>
<body>
<div id="console"></div>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
