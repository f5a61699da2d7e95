import { createHash } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import type { AccessTokenFacts, AccessTokenFormat } from '../tokens/access-token-format.js';
import { type TokenSource, hashToken, isSessionId } from '../tokens/token-codec.js';
import { isObject } from '../model/checked-input.js';
import type { ParsedToken } from '../model/token-pair.js';
import type { JwtKeys } from './jwt-keys.js';

/** RFC 9068 section 2.1. */
export const TYPE = 'at+jwt';

/** Leaves room for a user id of any 1,024 characters. */
export const MAX_JWT_LENGTH = 12_288;

const GENERATION_BYTES = 4;
/** With the generation 30 bytes, exactly 40 base64url characters. */
const ID_BYTES = 26;

export interface JwtClaimsSettings {
  readonly issuer: string;
  readonly audience: string | readonly string[];
}

/** Access tokens as JSON Web Tokens (RFC 9068). The record knows them by `sid` and `jti`, and its times decide. */
export class JwtAccessTokens implements AccessTokenFormat {
  readonly maxLength = MAX_JWT_LENGTH;
  /** The record knows the jti; the signature binds the rest to it. */
  readonly hashCoversText = false;

  constructor(
    private readonly keys: JwtKeys,
    private readonly settings: JwtClaimsSettings,
  ) {}

  get signingKeyId(): string {
    return this.keys.signingKeyId;
  }

  read(token: string): ParsedToken | null {
    const parts = readJws(token);
    if (!parts || !this.isOurs(parts)) return null;
    const { sid, jti } = parts.payload;
    if (!isSessionId(sid) || typeof jti !== 'string') return null;
    const id = decodeCanonical(jti);
    if (id?.length !== GENERATION_BYTES + ID_BYTES) return null;
    return { sessionId: sid, generation: id.readUInt32BE(0), hash: hashToken(jti) };
  }

  async isAuthentic(token: string): Promise<boolean> {
    const kid = readJws(token)?.header.kid;
    const key = typeof kid === 'string' ? this.keys.verifying(kid) : null;
    if (!key) return false;
    const verifying = compactVerify(token, key, { algorithms: [this.keys.algorithm] });
    return verifying.then(() => true).catch(() => false);
  }

  canSign(signingKeyId: string | null): boolean {
    return this.keys.canSign(signingKeyId ?? this.signingKeyId);
  }

  hashOf(source: TokenSource): string {
    return hashToken(jtiOf(source));
  }

  async write(source: TokenSource, { userId, pair }: AccessTokenFacts): Promise<string> {
    const kid = pair.signingKeyId ?? this.signingKeyId;
    // Fixed order, because retries must get identical text.
    const payload = {
      iss: this.settings.issuer,
      sub: userId,
      aud: this.settings.audience,
      iat: Math.floor(pair.issuedAt / 1000),
      exp: Math.floor(pair.accessExpiresAt / 1000),
      jti: jtiOf(source),
      sid: source.sessionId,
    };
    return new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: this.keys.algorithm, kid, typ: TYPE })
      .sign(this.keys.signing(kid));
  }

  /** Algorithm, type and key are ours and the header has nothing else; issuer and audience are as configured. */
  private isOurs({ header, payload }: JwsParts): boolean {
    const { alg, kid, typ, ...others } = header;
    return (
      alg === this.keys.algorithm &&
      typ === TYPE &&
      typeof kid === 'string' &&
      this.keys.verifying(kid) !== null &&
      Object.keys(others).length === 0 &&
      payload.iss === this.settings.issuer &&
      isSameAudience(payload.aud, this.settings.audience)
    );
  }
}

/** Encodes the generation and a hash of the secret, which itself appears nowhere. */
function jtiOf({ generation, secret }: TokenSource): string {
  const id = Buffer.alloc(GENERATION_BYTES + ID_BYTES);
  id.writeUInt32BE(generation);
  createHash('sha256').update('jti:').update(secret).digest().copy(id, GENERATION_BYTES, 0, ID_BYTES);
  return id.toString('base64url');
}

/** Compares item by item: a foreign value may be nested deeper than a serializer's stack. */
function isSameAudience(value: unknown, audience: JwtClaimsSettings['audience']): boolean {
  if (!Array.isArray(value) || typeof audience === 'string') return value === audience;
  return value.length === audience.length && audience.every((name, index) => value[index] === name);
}

/** Header and payload of a JWS, unverified. */
interface JwsParts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Parses a compact JWS in canonical base64url, whose spare bits would give one token several spellings. Never throws. */
export function readJws(text: string): JwsParts | null {
  const parts = text.split('.', 4);
  if (parts.length !== 3) return null;
  const [header, payload, signature] = parts.map(decodeCanonical);
  if (!header || !payload || !signature) return null;
  const decoded = { header: parseObject(header), payload: parseObject(payload) };
  return decoded.header && decoded.payload ? (decoded as JwsParts) : null;
}

/** Decodes canonical base64url; null for anything else. */
function decodeCanonical(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : null;
}

function parseObject(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isObject(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
