import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RenewedToken } from '../../model/verification.js';
import type { HeaderOptions } from '../module/session-options.js';

/**
 * Adds the successor of the request's token, exposed to scripts of other origins. Forbids caching: a stored response
 * would take a client back to an expired token.
 */
export function passOnRenewedToken(response: unknown, renewed: RenewedToken, names: Required<HeaderOptions>): void {
  const target = nodeResponse(response);
  if (!target || target.headersSent) return;
  beforeHead(target, (head) => {
    const { renewedToken, renewedTokenExpiresIn } = names;
    head.set(renewedToken.toLowerCase(), renewed.accessToken);
    head.set(renewedTokenExpiresIn.toLowerCase(), String(renewed.expiresIn));
    head.set('cache-control', 'no-store');
    const exposed = head.get('access-control-expose-headers');
    const added = [renewedToken, renewedTokenExpiresIn].join(', ');
    // Fields of a GraphQL operation may each pass it on.
    if (exposed.includes(added)) return;
    head.set('access-control-expose-headers', exposed === '' ? added : `${exposed}, ${added}`);
  });
}

/** Finds Node's response behind a response of Express or a reply of Fastify; null for anything else. */
export function nodeResponse(response: unknown): ServerResponse | null {
  if (hasHead(response)) return response;
  const raw = (response as { readonly raw?: unknown } | null | undefined)?.raw;
  return hasHead(raw) ? raw : null;
}

function hasHead(response: unknown): response is ServerResponse {
  return typeof (response as Partial<ServerResponse> | null | undefined)?.writeHead === 'function';
}

/** Headers of an answer at the moment they are sent: those given to writeHead before those set earlier. Names are in lower case. */
export class ResponseHead {
  constructor(
    private readonly response: ServerResponse,
    readonly status: number,
    /** A copy of the headers given to writeHead by name; null for none. */
    readonly given: OutgoingHttpHeaders | null,
  ) {}

  /** Returns a header as one line; empty for none. */
  get(name: string): string {
    const value = this.given?.[name] ?? this.response.getHeader(name) ?? '';
    return typeof value === 'string' ? value : [value].flat().join(', ');
  }

  set(name: string, value: string): void {
    if (this.given) this.given[name] = value;
    else this.response.setHeader(name, value);
  }

  /** Adds lines to a header that can have several. */
  append(name: string, lines: readonly string[]): void {
    const value = this.given?.[name] ?? this.response.getHeader(name) ?? [];
    const all = [...[value].flat().map(String), ...lines];
    if (this.given) this.given[name] = all;
    else this.response.setHeader(name, all);
  }
}

type Adjustment = (head: ResponseHead) => void;

/** Marks a response with adjustments. */
const HEAD = Symbol('nestjs-latchkey.head');

interface AdjustedResponse extends ServerResponse {
  [HEAD]?: { readonly adjustments: Adjustment[]; readonly writeHead: ServerResponse['writeHead'] };
}

/** Calls `adjust` just before the head is sent: frameworks may buffer headers until then, or replace them. */
export function beforeHead(response: ServerResponse, adjust: Adjustment): void {
  const adjusted = response as AdjustedResponse;
  const known = adjusted[HEAD];
  if (known) {
    known.adjustments.push(adjust);
    return;
  }
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the response as its receiver
  adjusted[HEAD] = { adjustments: [adjust], writeHead: adjusted.writeHead };
  adjusted.writeHead = writeAdjustedHead;
}

/**
 * Adds the headers of a refusal to an answer with its status: another guard may let the request through after all. Leaves what
 * the application has set.
 */
export function addRefusalHeaders(response: unknown, status: number, headers: Readonly<Record<string, string>>): void {
  const target = nodeResponse(response);
  if (!target || target.headersSent) return;
  beforeHead(target, (head) => {
    if (head.status !== status) return;
    for (const name in headers) if (head.get(name.toLowerCase()) === '') head.set(name.toLowerCase(), headers[name]!);
  });
}

/** Replaces writeHead of all adjusted responses. Leaves headers that are given as an object in one, which Node sends faster. */
function writeAdjustedHead(
  this: AdjustedResponse,
  status: number,
  first?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
  second?: OutgoingHttpHeaders | OutgoingHttpHeader[],
): ServerResponse {
  const { adjustments, writeHead } = this[HEAD]!;
  const headers = typeof first === 'string' ? second : (first ?? second);
  if (Array.isArray(headers)) setHeaders(this, headers);
  const head = new ResponseHead(this, status, headers && !Array.isArray(headers) ? inLowerCase(headers) : null);
  for (const adjust of adjustments) adjust(head);
  const given = head.given ?? undefined;
  const args = typeof first === 'string' ? [status, first, given] : [status, given];
  return Reflect.apply(writeHead, this, args) as ServerResponse;
}

/** Copies headers, because an application may send the same object again. */
function inLowerCase(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const copy: OutgoingHttpHeaders = {};
  for (const name in headers) copy[name.toLowerCase()] = headers[name];
  return copy;
}

/** Accepts a flat list of names and values, or a list of pairs. A value may have several lines. */
function setHeaders(response: ServerResponse, headers: readonly OutgoingHttpHeader[]): void {
  const pairs = Array.isArray(headers[0])
    ? (headers as unknown as readonly [string, OutgoingHttpHeader][])
    : headers.flatMap((name, index) => (index % 2 === 0 ? [[String(name), headers[index + 1]!] as const] : []));
  for (const [name] of pairs) response.removeHeader(name);
  for (const [name, value] of pairs) for (const line of [value].flat()) response.appendHeader(name, line as string);
}
