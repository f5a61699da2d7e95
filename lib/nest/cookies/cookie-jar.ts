import type { ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { type ResponseHead, beforeHead } from '../http/response-head.js';

/** Cookies that one answer sets, added to its head when all other headers are known. */
export class CookieJar {
  /** Set-Cookie headers by the name of their cookie: one for each. */
  private readonly cookies = new Map<string, string>();
  /** Set once login, refresh or logout decided. A renewal no longer counts. */
  isDecided = false;
  /** Called before the head is sent, unless the jar is decided. */
  onHead: (() => void) | null = null;

  /** Status that the answer must have, where another guard may admit the request after all; null for any. */
  status: number | null = null;
  /** Value of Clear-Site-Data; null for none. */
  clearSiteData: string | null = null;

  constructor(response: ServerResponse) {
    beforeHead(response, (head) => this.finish(head));
  }

  set(name: string, header: string): void {
    this.cookies.set(name, header);
  }

  private finish(head: ResponseHead): void {
    if (!this.isDecided) this.onHead?.();
    const isMeant = this.status === null || this.status === head.status;
    const added = isMeant ? [...this.cookies.values()] : [];
    if (added.length > 0) {
      head.append('set-cookie', added);
      head.set('cache-control', 'no-store');
    }
    if (isMeant && this.clearSiteData !== null) head.set('clear-site-data', this.clearSiteData);
    keepPrivate(head);
  }
}

/** Keeps shared caches from an answer that depends on a cookie. */
export function keepPrivate(head: ResponseHead): void {
  const control = head.get('cache-control');
  if (control === '') head.set('cache-control', 'private');
  else if (!/\b(private|no-store)\b/i.test(control)) head.set('cache-control', privately(control));
  const vary = head.get('vary');
  if (vary === '') head.set('vary', 'Cookie');
  else if (!/(^|,)\s*(cookie|\*)\s*(,|$)/i.test(vary)) head.set('vary', `${vary}, Cookie`);
  if (!hasWarnedOfCors) warnOfCors(head);
}

/** Removes the directives that let a shared cache keep an answer. */
function privately(control: string): string {
  const kept = control.split(',').map((directive) => directive.trim());
  const shared = /^(public|s-maxage\b.*|proxy-revalidate)$/i;
  return ['private', ...kept.filter((directive) => directive !== '' && !shared.test(directive))].join(', ');
}

let hasWarnedOfCors = false;

function warnOfCors(head: ResponseHead): void {
  if (head.get('access-control-allow-origin') !== '*') return;
  if (head.get('access-control-allow-credentials') !== 'true') return;
  hasWarnedOfCors = true;
  const advice = 'Browsers refuse such answers. Name the origins in enableCors().';
  new Logger('SessionModule').warn(`CORS allows every origin ("*") with credentials. ${advice}`);
}
