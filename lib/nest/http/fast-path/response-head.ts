import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined;

/** Node's response behind a response of Express or a reply of Fastify; null for what is neither. */
export function nodeResponse(response: unknown): ServerResponse | null {
  const candidates = [response, (response as { raw?: unknown } | null | undefined)?.raw];
  const found = candidates.find((one) => typeof (one as Partial<ServerResponse> | null)?.writeHead === 'function');
  return (found as ServerResponse | undefined) ?? null;
}

/**
 * Calls `adjust` when the head of an answer is about to be sent. All headers that anybody has set by then are on the
 * response: frameworks may keep them to themselves until this moment, or replace them for an error.
 */
export function beforeHead(response: ServerResponse, adjust: () => void): void {
  const writeHead = response.writeHead.bind(response) as (status: number, message?: string) => ServerResponse;
  response.writeHead = (status: number, first?: string | Headers, second?: Headers) => {
    const message = typeof first === 'string' ? first : undefined;
    setHeaders(response, message === undefined ? ((first as Headers) ?? second) : second);
    adjust();
    return message === undefined ? writeHead(status) : writeHead(status, message);
  };
}

/** Headers in each form that writeHead takes them: by name, as a flat list, or as a list of pairs. */
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
