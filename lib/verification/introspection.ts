import type { Inspection } from './verifier.js';

/** What RFC 7662 section 2.2 answers. Times in seconds since the epoch. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly token_type: 'Bearer';
      /** The user id. */
      readonly sub: string;
      /** The session id. */
      readonly sid: string;
      readonly iat: number;
      readonly exp: number;
    };

/** Of a token that is not good, nothing but that. */
export function introspectionOf(result: Inspection): Introspection {
  if (result.status !== 'VALID') return { active: false };
  const { record, pair } = result;
  return {
    active: true,
    token_type: 'Bearer',
    sub: record.userId,
    sid: record.id,
    iat: Math.floor(pair.issuedAt / 1000),
    exp: Math.floor(pair.accessExpiresAt / 1000),
  };
}
