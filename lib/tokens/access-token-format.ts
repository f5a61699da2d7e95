import { type TokenCodec, type TokenSource, hashToken } from './token-codec.js';
import type { ParsedToken, TokenPair } from '../model/token-pair.js';

/** Data beside the source that a format may write into an access token. */
export interface AccessTokenFacts {
  readonly userId: string;
  /** The generation as stored: source of issuedAt, accessExpiresAt and signingKeyId. */
  readonly pair: TokenPair;
}

/** Reads and writes access tokens. Equal sources and facts must give identical text. */
export interface AccessTokenFormat {
  /** Longest text that `read` parses. */
  readonly maxLength: number;
  /** Name of the key that signs new tokens, for formats with keys of their own. */
  readonly signingKeyId: string | null;
  /** True if the hash covers the whole text, so that a match with a stored hash needs no further check. */
  readonly hashCoversText: boolean;
  /** Parses a token without checking it; null if it is not of this format. No I/O; never throws. */
  read(token: string): ParsedToken | null;
  /** Checks that this application issued a token which `read` accepted. */
  isAuthentic(token: string): boolean | Promise<boolean>;
  /** Computes the hash that `read` returns for the token of this source, 64 hex digits. */
  hashOf(source: TokenSource): string;
  /** True if the named key can sign here, so that a recorded token can be written again. */
  canSign(signingKeyId: string | null): boolean;
  /** @throws Error if the key named in the facts cannot sign here */
  write(source: TokenSource, facts: AccessTokenFacts): string | Promise<string>;
}

/** Opaque access tokens, readable by this library alone; see TokenCodec. */
export function opaqueAccessTokens(codec: TokenCodec): AccessTokenFormat {
  return {
    maxLength: 512,
    signingKeyId: null,
    hashCoversText: true,
    read: (token) => codec.read('at', token),
    isAuthentic: (token) => codec.isAuthentic('at', token),
    canSign: () => true,
    hashOf: (source) => hashToken(codec.write('at', source)),
    write: (source) => codec.write('at', source),
  };
}
