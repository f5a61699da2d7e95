import { type TokenCodec, type TokenSource, hashToken } from './token-codec.js';
import type { ParsedToken, TokenPair } from '../model/token-pair.js';
import type { SecretKeys } from './secret-keys.js';

/** Facts that a format may write into an access token beside its source. */
export interface AccessTokenFacts {
  readonly userId: string;
  readonly realm: string;
  /** The generation as it is stored: issuedAt, accessExpiresAt and signingKeyId come from here. */
  readonly pair: TokenPair;
}

/**
 * Reads and writes access tokens. In any format a token is looked up by its session id and judged by the record of its
 * session; the same source and facts always give the same text.
 */
export interface AccessTokenFormat {
  /** Longest text that `read` looks at. */
  readonly maxLength: number;
  /** Name of the key that new tokens are signed with, where the format has keys of its own. */
  readonly signingKeyId: string | null;
  /** The hash covers the whole text: one that equals a stored hash needs no further check. */
  readonly hashCoversText: boolean;
  /** Parses a token, unchecked; null if its form is not that of an access token. No I/O; never throws. */
  read(token: string): ParsedToken | null;
  /** True for a token that `read` accepted and that was made here. */
  isAuthentic(token: string): boolean | Promise<boolean>;
  /** The hash by which `read` will know the token of this source, 64 hex digits. */
  hashOf(source: TokenSource): string;
  /** True if the key of this name can sign here, so that a recorded token can be written again. */
  canSign(signingKeyId: string | null): boolean;
  /** @throws Error if the key that the facts name cannot sign here */
  write(source: TokenSource, facts: AccessTokenFacts): string | Promise<string>;
}

/** Makes the format of one module from what belongs to the module. */
export type AccessTokenFormatFactory = (module: {
  readonly keys: SecretKeys;
  readonly realm: string;
}) => AccessTokenFormat;

/** Access tokens that only this library can read; see TokenCodec. */
export class OpaqueAccessTokens implements AccessTokenFormat {
  readonly maxLength = 512;
  readonly signingKeyId = null;
  readonly hashCoversText = true;

  constructor(private readonly codec: TokenCodec) {}

  read(token: string): ParsedToken | null {
    return this.codec.read('at', token);
  }

  isAuthentic(token: string): boolean {
    return this.codec.isAuthentic('at', token);
  }

  canSign(): boolean {
    return true;
  }

  hashOf(source: TokenSource): string {
    return hashToken(this.write(source));
  }

  write(source: TokenSource): string {
    return this.codec.write('at', source);
  }
}
