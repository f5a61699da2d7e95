import { randomBytes } from 'node:crypto';
import type { AccessTokenFormat } from './access-token-format.js';
import type { Clock } from '../ports/clock.js';
import type { SecretKeys } from './secret-keys.js';
import type { SessionRecord } from '../model/session.js';
import { SECRET_BYTES, type TokenCodec, type TokenSource, hashToken } from './token-codec.js';
import { equalHashes } from '../model/equal-hashes.js';
import type { TokenPair } from '../model/token-pair.js';
import type { TokenMode } from './token-mode.js';

/** Tokens for a client. Give them out; they are stored nowhere. */
export interface IssuedTokens {
  readonly accessToken: string;
  /** When the access token ends, in milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  /** Seconds from now to that end, rounded. */
  readonly expiresIn: number;
  /** The next pair is got with this one; absent where the mode has no refresh tokens. */
  readonly refreshToken?: string;
  /** When the refresh token ends if it is not used, in milliseconds since the epoch. */
  readonly refreshExpiresAt?: number;
  /** Seconds from now to that end, rounded. */
  readonly refreshExpiresIn?: number;
}

/** The secrets of one generation. Never stored. */
export interface PairSecrets {
  readonly access: Buffer;
  readonly refresh: Buffer;
}

export interface TokenIssuerParts {
  readonly keys: SecretKeys;
  readonly codec: TokenCodec;
  readonly format: AccessTokenFormat;
  readonly mode: TokenMode;
  readonly clock: Clock;
}

/** The part of a record that its tokens are made from. */
export type TokenSubject = Pick<SessionRecord, 'id' | 'userId' | 'realm' | 'nonce' | 'expiresAt'>;

/** Up to this part of an access token's life is taken off at random where there are refresh tokens. */
const ACCESS_SHORTENING = 0.05;

/**
 * Makes tokens. Those of a login are random. Each successor is derived from the token that it takes over from, so that
 * every retry, tab and node that presents the same parent gets the identical text, though only hashes are stored.
 */
export class TokenIssuer {
  constructor(private readonly parts: TokenIssuerParts) {}

  randomSecrets(): PairSecrets {
    return { access: randomBytes(SECRET_BYTES), refresh: randomBytes(SECRET_BYTES) };
  }

  /** Under the key that the generation is recorded with. */
  private successorSecrets(subject: TokenSubject, generation: number, keyId: string, parent: string): PairSecrets {
    const derive = (kind: string) => {
      const parts = [kind, subject.id, String(generation), parent, subject.nonce];
      const input = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
      return this.parts.keys.sign('successor', input, SECRET_BYTES, keyId);
    };
    return { access: derive('at'), refresh: derive('rt') };
  }

  /**
   * True if `writeSuccessor` gives the tokens that are recorded as `pair`. A deploy with other keys, another mode or another
   * prefix makes other ones, and so does a parent of the other kind; nothing would accept them.
   */
  canMakeSuccessor(subject: TokenSubject, pair: TokenPair, parent: string): boolean {
    const { generation, keyId } = pair;
    if (!this.parts.keys.has(keyId) || !this.parts.format.canSign(pair.signingKeyId)) return false;
    const { access, refresh } = this.successorSecrets(subject, generation, keyId, parent);
    const source = (secret: Buffer): TokenSource => ({ sessionId: subject.id, generation, keyId, secret });
    return (
      equalHashes(this.parts.format.hashOf(source(access)), pair.accessHash) &&
      (pair.refreshHash === null || equalHashes(this.refreshHashOf(source(refresh)), pair.refreshHash))
    );
  }

  /** Lives and hashes of a generation that begins now, as they are to be stored. */
  open(subject: TokenSubject, generation: number, secrets: PairSecrets, now: number): TokenPair {
    const { accessMs, refreshMs } = this.parts.mode;
    const keyId = this.parts.keys.currentKeyId;
    const life = refreshMs === null ? accessMs : Math.round(accessMs * (1 - Math.random() * ACCESS_SHORTENING));
    const source = (secret: Buffer): TokenSource => ({ sessionId: subject.id, generation, keyId, secret });
    return {
      generation,
      keyId,
      signingKeyId: this.parts.format.signingKeyId,
      issuedAt: now,
      accessHash: this.parts.format.hashOf(source(secrets.access)),
      accessExpiresAt: Math.min(now + life, subject.expiresAt),
      refreshHash: refreshMs === null ? null : this.refreshHashOf(source(secrets.refresh)),
      refreshExpiresAt: refreshMs === null ? null : Math.min(now + refreshMs, subject.expiresAt),
    };
  }

  /** The generation that follows the token `parent`, if it begins now. */
  openSuccessor(record: SessionRecord, parent: string, now: number): TokenPair {
    const generation = record.current.generation + 1;
    const secrets = this.successorSecrets(record, generation, this.parts.keys.currentKeyId, parent);
    return this.open(record, generation, secrets, now);
  }

  /** The text of the tokens of a recorded generation. */
  async write(subject: TokenSubject, pair: TokenPair, secrets: PairSecrets): Promise<IssuedTokens> {
    const { generation, keyId, accessExpiresAt, refreshExpiresAt } = pair;
    const source = (secret: Buffer): TokenSource => ({ sessionId: subject.id, generation, keyId, secret });
    const { userId, realm } = subject;
    const accessToken = await this.parts.format.write(source(secrets.access), { userId, realm, pair });
    const now = this.parts.clock.now();
    return {
      accessToken,
      accessExpiresAt,
      expiresIn: secondsUntil(accessExpiresAt, now),
      ...(refreshExpiresAt !== null && {
        refreshToken: this.parts.codec.write('rt', source(secrets.refresh)),
        refreshExpiresAt,
        refreshExpiresIn: secondsUntil(refreshExpiresAt, now),
      }),
    };
  }

  /** The successor of `parent` that is recorded as `pair`; see canMakeSuccessor. */
  writeSuccessor(subject: TokenSubject, pair: TokenPair, parent: string): Promise<IssuedTokens> {
    return this.write(subject, pair, this.successorSecrets(subject, pair.generation, pair.keyId, parent));
  }

  private refreshHashOf(source: TokenSource): string {
    return hashToken(this.parts.codec.write('rt', source));
  }
}

function secondsUntil(time: number, now: number): number {
  return Math.max(0, Math.round((time - now) / 1000));
}
