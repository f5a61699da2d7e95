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

/** Of what a request of Express or Fastify and its response are used for here. */
interface PageRequest {
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

interface PageResponse {
  status(code: number): unknown;
}

/** The console page and what it loads: open, since there is nothing in them. What it shows it asks for with the operator's token. */
@Controller()
@Public()
export class ConsoleController {
  constructor(@Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', CONSOLE_CSP)
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('X-Frame-Options', 'DENY')
  @Header('Referrer-Policy', 'no-referrer')
  @Header('Cross-Origin-Opener-Policy', 'same-origin')
  @Header('Cache-Control', 'no-cache')
  page(@Req() { originalUrl }: PageRequest): string {
    const { console } = this.options;
    if (!console) throw new NotFoundException();
    const { login, refresh = null, logout = null, confirm = null, title = 'Sessions' } = console;
    // As the client asked for it: a global prefix, or whatever stands before the path, is in it.
    const base = originalUrl.replace(/[?#].*$/s, '').replace(/\/+$/, '');
    return consolePage({ base, urls: { login, refresh, logout, confirm }, title });
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
