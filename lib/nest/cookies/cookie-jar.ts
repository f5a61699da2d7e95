import type { ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { beforeHead } from '../http/response-head.js';

/** Cookies that one answer sets, added to its head when all other headers are known. */
export class CookieJar {
  /** Set-Cookie headers by the name of their cookie: one for each. */
  private readonly cookies = new Map<string, string>();
  /** Set once login, refresh or logout decided. A renewal no longer counts. */
  isDecided = false;
  /** Called before the head is sent, unless the jar is decided. */
  onHead: (() => void) | null = null;

  constructor(private readonly response: ServerResponse) {
    beforeHead(response, () => this.finish());
  }

  set(name: string, header: string): void {
    this.cookies.set(name, header);
  }

  private finish(): void {
    if (!this.isDecided) this.onHead?.();
    const { response } = this;
    const added = [...this.cookies.values()];
    if (added.length > 0) {
      const own = [response.getHeader('Set-Cookie') ?? []].flat().map(String);
      response.setHeader('Set-Cookie', [...own, ...added]);
    }
    const control = String(response.getHeader('Cache-Control') ?? '');
    if (added.length > 0) response.setHeader('Cache-Control', 'no-store');
    else if (!/\b(private|no-store)\b/i.test(control)) response.setHeader('Cache-Control', privately(control));
    const vary = String(response.getHeader('Vary') ?? '');
    if (!/(^|,)\s*(cookie|\*)\s*(,|$)/i.test(vary)) {
      response.setHeader('Vary', vary === '' ? 'Cookie' : `${vary}, Cookie`);
    }
    warnOfCors(response);
  }
}

/** Removes the directives that let a shared cache keep an answer. */
function privately(control: string): string {
  const kept = control.split(',').map((directive) => directive.trim());
  const shared = /^(public|s-maxage\b.*|proxy-revalidate)$/i;
  return ['private', ...kept.filter((directive) => directive !== '' && !shared.test(directive))].join(', ');
}

let hasWarnedOfCors = false;

function warnOfCors(response: ServerResponse): void {
  if (hasWarnedOfCors || response.getHeader('Access-Control-Allow-Origin') !== '*') return;
  if (String(response.getHeader('Access-Control-Allow-Credentials')) !== 'true') return;
  hasWarnedOfCors = true;
  const advice = 'Browsers refuse such answers. Name the origins in enableCors().';
  new Logger('SessionModule').warn(`CORS allows every origin ("*") with credentials. ${advice}`);
}
