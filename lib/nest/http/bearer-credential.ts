import { MAX_TOKEN_LENGTH } from '../../tokens/token-reader.js';

/** What the Authorization header of a request holds for us. */
export type BearerCredential =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed' };

/** Scheme in any case (RFC 9110 11.1), one space or more, and a token68 (RFC 6750 2.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * Reads the Authorization header, and nothing else: never a query, a body or a cookie. Another scheme is no credential of
 * ours. Of two header lines Node keeps the first; a server that joins them has a comma here, which is malformed.
 */
export function readBearerCredential(header: unknown): BearerCredential {
  if (header === undefined || header === '') return { kind: 'missing' };
  if (typeof header !== 'string') return { kind: 'malformed' };
  if (!/^bearer(?![!#$%&'*+\-.^_`|~0-9a-z])/i.test(header)) return { kind: 'missing' };
  if (header.length > MAX_TOKEN_LENGTH + 32) return { kind: 'malformed' };
  const token = BEARER.exec(header)?.[1];
  return token === undefined ? { kind: 'malformed' } : { kind: 'token', token };
}
