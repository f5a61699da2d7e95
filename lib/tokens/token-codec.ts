import { hash, randomBytes } from 'node:crypto';
import type { ParsedToken } from '../model/token-pair.js';
import type { SecretKeys } from './secret-keys.js';
import { invalidArgument } from '../model/session-error.js';

/** `at` marks access tokens, `rt` refresh tokens; neither passes for the other. */
export type TokenKind = 'at' | 'rt';

/** Parts of a token. Equal parts give identical text. */
export interface TokenSource {
  readonly sessionId: string;
  readonly generation: number;
  /** Name of the key for the MAC. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly secret: Buffer;
}

/** Exceeds the length of all our tokens; longer text is refused unread (RFC 6750 sets no limit). */
export const MAX_TOKEN_LENGTH = 12_288;
export const SECRET_BYTES = 32;
const ID_BYTES = 16;
const GENERATION_BYTES = 4;
const MAC_BYTES = 20;
/** 72 bytes are exactly 96 base64url characters: no unused bits, so each token has a single spelling. */
const BODY_LENGTH = ((ID_BYTES + GENERATION_BYTES + SECRET_BYTES + MAC_BYTES) * 4) / 3;
const BODY = new RegExp(`^[A-Za-z0-9_-]{${BODY_LENGTH}}$`);

/** `<prefix>_<kind>_` and id, generation, 256-bit secret and MAC: a filter without I/O; the stored hash is proof. */
export class TokenCodec {
  constructor(
    private readonly keys: SecretKeys,
    private readonly prefix: string,
  ) {}

  write(kind: TokenKind, { sessionId, generation, keyId, secret }: TokenSource): string {
    const body = Buffer.alloc(ID_BYTES + GENERATION_BYTES + SECRET_BYTES);
    body.write(sessionId, 0, 'hex');
    body.writeUInt32BE(generation, ID_BYTES);
    secret.copy(body, ID_BYTES + GENERATION_BYTES);
    const head = this.head(kind);
    const tag = this.keys.sign('token-mac', Buffer.concat([Buffer.from(head), body]), MAC_BYTES, keyId);
    return head + Buffer.concat([body, tag]).toString('base64url');
  }

  /** Parses without checking the MAC; null if the text is not of this kind. Suffices before a comparison of hashes. */
  read(kind: TokenKind, token: string): ParsedToken | null {
    const head = this.head(kind);
    if (token.length !== head.length + BODY_LENGTH || !token.startsWith(head)) return null;
    const text = token.slice(head.length);
    if (!BODY.test(text)) return null;
    const body = Buffer.from(text, 'base64url');
    return {
      sessionId: body.toString('hex', 0, ID_BYTES),
      generation: body.readUInt32BE(ID_BYTES),
      hash: hashToken(token),
    };
  }

  /** Checks the MAC, for this application and realm, of a token which `read` accepted. */
  isAuthentic(kind: TokenKind, token: string): boolean {
    const head = this.head(kind);
    const body = Buffer.from(token.slice(head.length), 'base64url');
    const signed = Buffer.concat([Buffer.from(head), body.subarray(0, body.length - MAC_BYTES)]);
    return this.keys.verify('token-mac', signed, body.subarray(body.length - MAC_BYTES));
  }

  /** True if tokens made with this key are authentic here. */
  hasKey(keyId: string): boolean {
    return this.keys.has(keyId);
  }

  private head(kind: TokenKind): string {
    return `${this.prefix}_${kind}_`;
  }
}

/** SHA-256 of a token's text as 64 hex digits. Never of its decoded bytes, which have several spellings. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** Makes a random id of 128 bits, 32 hex digits. Public: it identifies a session and is not a credential. */
export function randomId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

const SESSION_ID = /^[0-9a-f]{32}$/;

export function isSessionId(value: unknown): value is string {
  return typeof value === 'string' && SESSION_ID.test(value);
}

/** @throws SessionError ARGUMENT_INVALID naming the argument */
export function sessionIdOf(value: unknown, name: string): string {
  if (!isSessionId(value)) throw invalidArgument(name, 'must be a session id: 32 hexadecimal digits');
  return value;
}
