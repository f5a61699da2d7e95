import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RenewedToken } from '../../model/verification.js';
import type { HeaderOptions } from '../module/session-options.js';

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined;

/**
 * Adds the successor of the request's token, exposed to scripts of other origins. Forbids caching: a stored response
 * would take a client back to an expired token.
 */
export function passOnRenewedToken(response: unknown, renewed: RenewedToken, names: Required<HeaderOptions>): void {
  const target = nodeResponse(response);
  if (!target || target.headersSent) return;
  beforeHead(target, () => {
    const { renewedToken, renewedTokenExpiresIn } = names;
    target.setHeader(renewedToken, renewed.accessToken);
    target.setHeader(renewedTokenExpiresIn, String(renewed.expiresIn));
    target.setHeader('Cache-Control', 'no-store');
    const exposed = [target.getHeader('Access-Control-Expose-Headers') ?? []].flat().join(', ');
    const added = [renewedToken, renewedTokenExpiresIn].join(', ');
    target.setHeader('Access-Control-Expose-Headers', exposed === '' ? added : `${exposed}, ${added}`);
  });
}

/** Finds Node's response behind a response of Express or a reply of Fastify; null for anything else. */
export function nodeResponse(response: unknown): ServerResponse | null {
  const candidates = [response, (response as { raw?: unknown } | null | undefined)?.raw];
  const found = candidates.find((one) => typeof (one as Partial<ServerResponse> | null)?.writeHead === 'function');
  return (found as ServerResponse | undefined) ?? null;
}

/** Calls `adjust` just before the head is sent: frameworks may buffer headers until then, or replace them. */
export function beforeHead(response: ServerResponse, adjust: () => void): void {
  const writeHead = response.writeHead.bind(response) as (status: number, message?: string) => ServerResponse;
  response.writeHead = (status: number, first?: string | Headers, second?: Headers) => {
    const message = typeof first === 'string' ? first : undefined;
    setHeaders(response, message === undefined ? ((first as Headers) ?? second) : second);
    adjust();
    return message === undefined ? writeHead(status) : writeHead(status, message);
  };
}

/** Accepts headers in each form of writeHead: by name, as a flat list, or as a list of pairs. */
function setHeaders(response: ServerResponse, headers: Headers): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers ?? {})) if (value !== undefined) response.setHeader(name, value);
    return;
  }
  const flat: readonly unknown[] = headers.flat();
  const names = flat.filter((_, index) => index % 2 === 0).map(String);
  for (const name of names) response.removeHeader(name);
  names.forEach((name, index) => response.appendHeader(name, String(flat[2 * index + 1])));
}
