import { createHash } from 'node:crypto';
import { Controller, Get, Header, Inject, NotFoundException, Param, Req, Res } from '@nestjs/common';
import { Public } from '../../nest/http/route-rules.js';
import { setHeaders } from '../../nest/http/answers.js';
import { ADMIN_OPTIONS } from '../access/admin.guard.js';
import type { ResolvedAdminOptions } from '../access/admin-options.js';
import { consoleAssets } from '../console-assets.js';
import { CONSOLE_CSP, consolePage } from './console-page.js';

const TYPES = {
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
} as const;

type AssetName = keyof typeof TYPES;

const ETAGS = new Map(
  Object.entries(consoleAssets).map(([name, text]) => [
    name,
    `"${createHash('sha256').update(text).digest('base64url')}"`,
  ]),
);

const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': CONSOLE_CSP,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** The parts of a request and a response, of Express or Fastify, that are used here. */
interface PageRequest {
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

interface PageResponse {
  status(code: number): unknown;
}

/** The console page and its assets: public, since they hold no data. The page fetches what it shows with the operator's token. */
@Controller()
@Public()
export class ConsoleController {
  constructor(@Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions) {}

  @Get()
  page(@Req() { originalUrl }: PageRequest, @Res({ passthrough: true }) response: PageResponse): string {
    const { console } = this.options;
    if (!console) throw new NotFoundException();
    setHeaders(response, PAGE_HEADERS);
    const { login, refresh = null, logout = null, reauthenticate = null, title = 'Sessions' } = console;
    // As the client requested it, with a global prefix or whatever else precedes the path.
    const base = originalUrl.replace(/[?#].*$/s, '').replace(/\/+$/, '');
    return consolePage({ base, urls: { login, refresh, logout, reauthenticate }, title });
  }

  @Get('assets/:file')
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Cache-Control', 'no-cache')
  asset(
    @Param('file') file: string,
    @Req() { headers }: PageRequest,
    @Res({ passthrough: true }) response: PageResponse,
  ): string | undefined {
    if (!this.options.console || !Object.hasOwn(TYPES, file)) throw new NotFoundException();
    const name = file as AssetName;
    const etag = ETAGS.get(name)!;
    setHeaders(response, { 'Content-Type': TYPES[name], ETag: etag });
    if (headers['if-none-match'] !== etag) return consoleAssets[name];
    response.status(304);
    return undefined;
  }
}
