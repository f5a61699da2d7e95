import { randomBytes } from 'node:crypto';
import { SecretKeys } from 'lib/secret-keys.js';
import { TokenCodec, type TokenKind, hashToken } from 'lib/token-codec.js';

/** Makes tokens as an application with this secret, realm and prefix does. */
export class TokenMint {
  readonly keys: SecretKeys;
  readonly codec: TokenCodec;

  constructor(secret: string | readonly string[], realm = 'users', prefix = 'ses') {
    this.keys = new SecretKeys(secret, realm);
    this.codec = new TokenCodec(this.keys, prefix);
  }

  mint(kind: TokenKind, sessionId: string, generation: number): { token: string; hash: string } {
    const keyId = this.keys.currentKeyId;
    const token = this.codec.write(kind, { sessionId, generation, keyId, secret: randomBytes(32) });
    return { token, hash: hashToken(token) };
  }
}
