import type { RenewedToken } from '../../model/verification.js';
import { MAX_TOKEN_LENGTH } from '../../tokens/token-codec.js';

/** Token of a request, or the code of the answer that refuses it. */
export type Credential =
  | {
      readonly token: string;
      readonly refusal: null;
      readonly byCookie: boolean;
      /** Further cookies of the same name, with the option `domain`. */
      readonly others?: readonly string[];
    }
  | {
      readonly token: null;
      readonly refusal: 'TOKEN_MISSING' | 'TOKEN_MALFORMED' | 'CROSS_SITE_REQUEST';
      readonly byCookie: boolean;
    };

export const MISSING: Credential = { token: null, refusal: 'TOKEN_MISSING', byCookie: false };
export const MALFORMED: Credential = { token: null, refusal: 'TOKEN_MALFORMED', byCookie: false };
/** Scheme in any case (RFC 9110 section 11.1), one or more spaces, and a token68 (RFC 6750 section 2.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const BEARER_SCHEME = /^bearer(?![!#$%&'*+\-.^_`|~0-9a-z])/i;

/**
 * Reads an Authorization header. Another scheme counts as no credential. Of two header lines Node keeps the first; a server that joins them leaves a comma, which is malformed.
 */
export function readBearer(header: unknown): Credential {
  if (header === undefined || header === '') return MISSING;
  if (typeof header !== 'string') return MALFORMED;
  const token = header.length > MAX_TOKEN_LENGTH + 32 ? undefined : BEARER.exec(header)?.[1];
  if (token !== undefined) return { token, refusal: null, byCookie: false };
  return BEARER_SCHEME.test(header) ? MALFORMED : MISSING;
}

/** Stands for the request of a socket or message, with its token, where there is none over HTTP. */
export class ChannelRequest {
  constructor(
    public credential: Credential,
    /** Address of the client; undefined if unknown. */
    readonly ip: unknown,
    /** Hands the client the successor of its token; null if it cannot be reached, and so gets none. */
    readonly passOn: ((renewed: RenewedToken) => void) | null,
  ) {}
}
