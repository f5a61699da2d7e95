import { randomBytes } from 'node:crypto';
import type { AccessTokenFormat } from './access-token-format.js';
import type { Clock } from '../ports/clock.js';
import type { SecretKeys } from './secret-keys.js';
import type { SessionRecord } from '../model/session.js';
import { SECRET_BYTES, type TokenCodec, type TokenSource, hashToken } from './token-codec.js';
import type { TokenPair } from '../model/token-pair.js';
import { equalHashes } from '../model/verification.js';
import type { TokenMode } from './token-mode.js';

/** Tokens for the client. Return them in the response; they are stored nowhere. */
export interface IssuedTokens {
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  /** Seconds until `accessExpiresAt`, rounded. */
  readonly expiresIn: number;
  /** Gets the next pair from `refresh`; absent in modes without refresh tokens. */
  readonly refreshToken?: string;
  /** Expiry of the refresh token if unused, in milliseconds since the epoch. */
  readonly refreshExpiresAt?: number;
  /** Seconds until `refreshExpiresAt`, rounded. */
  readonly refreshExpiresIn?: number;
}

/** Secrets of one generation. Never stored. */
export interface PairSecrets {
  readonly access: Buffer;
  readonly refresh: Buffer;
}

/** Part of a record from which its tokens are made. */
export type TokenSubject = Pick<SessionRecord, 'id' | 'userId' | 'realm' | 'nonce' | 'expiresAt'>;

/**
 * Shortens access tokens at random by up to this share where there are refresh tokens, so that clients do not refresh
 * in lockstep.
 */
const ACCESS_SHORTENING = 0.05;

/**
 * Makes tokens. Those of a login are random. Successors are derived from their parent, so that every retry, tab and
 * node that presents the same parent gets identical text although only hashes are stored.
 */
export class TokenIssuer {
  constructor(
    private readonly parts: {
      readonly keys: SecretKeys;
      readonly codec: TokenCodec;
      readonly format: AccessTokenFormat;
      readonly mode: TokenMode;
      readonly clock: Clock;
    },
  ) {}

  randomSecrets(): PairSecrets {
    return { access: randomBytes(SECRET_BYTES), refresh: randomBytes(SECRET_BYTES) };
  }

  /** Derived with the key that the generation is recorded with. */
  private successorSecrets(subject: TokenSubject, generation: number, keyId: string, parent: string): PairSecrets {
    const derive = (kind: string) => {
      const parts = [kind, subject.id, String(generation), parent, subject.nonce];
      const input = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
      return this.parts.keys.sign('successor', input, SECRET_BYTES, keyId);
    };
    return { access: derive('at'), refresh: derive('rt') };
  }

  /**
   * True if `writeSuccessor` reproduces the tokens recorded as `pair`. Other keys, another mode or prefix, or a parent
   * of the other kind give tokens that no node accepts.
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

  /** Computes expiry and hashes of a generation that begins now, for storage. */
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

  /** Computes the generation that follows the token `parent`, beginning now. */
  openSuccessor(record: SessionRecord, parent: string, now: number): TokenPair {
    const generation = record.current.generation + 1;
    const secrets = this.successorSecrets(record, generation, this.parts.keys.currentKeyId, parent);
    return this.open(record, generation, secrets, now);
  }

  /** Writes the tokens of a recorded generation. */
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

  /** Writes the successor of `parent` that is recorded as `pair`; see canMakeSuccessor. */
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
