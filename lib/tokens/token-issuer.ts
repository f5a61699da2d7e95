import { randomBytes } from 'node:crypto';
import type { AccessTokenFormat } from './access-token-format.js';
import type { Clock } from '../ports/clock.js';
import type { SecretKeys } from './secret-keys.js';
import { refreshMsOf } from '../model/session-life.js';
import type { SessionRecord } from '../model/session.js';
import { SECRET_BYTES, type TokenCodec, type TokenSource, hashToken } from './token-codec.js';
import type { TokenPair } from '../model/token-pair.js';
import { type RenewedToken, equalHashes } from '../model/verification.js';
import type { TokenMode } from './token-mode.js';

/** Tokens for the client. Return them in the response; they are stored nowhere. */
export interface IssuedTokens extends RenewedToken {
  /** Gets the next pair from `refresh`; absent in modes without refresh tokens. */
  readonly refreshToken?: string;
  /** Expiry of the refresh token if unused, in milliseconds since the epoch. */
  readonly refreshExpiresAt?: number;
  /** Seconds until `refreshExpiresAt`, rounded. */
  readonly refreshExpiresIn?: number;
}

/** Results of logins and refreshes, to tell them from objects that an application made of them. */
const issued = new WeakMap<object, string>();

/** Notes that a result holds tokens of a realm. */
export function asIssued<T extends IssuedTokens>(realm: string, result: T): T {
  issued.set(result, realm);
  return result;
}

/** Returns the realm of the result of a login or refresh; null for anything else. */
export function realmOfIssued(value: unknown): string | null {
  return (typeof value === 'object' && value !== null && issued.get(value)) || null;
}

/** Secrets of one generation. Never stored. */
export interface PairSecrets {
  readonly access: Buffer;
  readonly refresh: Buffer;
}

type PairName = Pick<TokenPair, 'generation' | 'keyId'>;

/** Part of a record from which its tokens are made. */
export type TokenSubject = Pick<SessionRecord, 'id' | 'userId' | 'realm' | 'nonce' | 'expiresAt' | 'refreshMs'>;

/** Shortens access tokens at random by up to this share, so that clients do not refresh in lockstep. */
const ACCESS_SHORTENING = 0.05;

/** Makes tokens: random ones for a login, and successors derived from their parent, so that every retry gets the same. */
export class TokenIssuer {
  constructor(
    private readonly parts: {
      readonly keys: SecretKeys;
      readonly codec: TokenCodec;
      readonly format: AccessTokenFormat;
      readonly mode: TokenMode;
      readonly clock: Clock;
      readonly allowLongerLife: boolean;
    },
  ) {}

  randomSecrets(): PairSecrets {
    return { access: randomBytes(SECRET_BYTES), refresh: randomBytes(SECRET_BYTES) };
  }

  /** Derived with the key that the generation is recorded with. */
  private successorSecrets(subject: TokenSubject, { generation, keyId }: PairName, parent: string): PairSecrets {
    const derive = (kind: string) => {
      const parts = [kind, subject.id, String(generation), parent, subject.nonce];
      const input = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
      return this.parts.keys.sign('successor', input, SECRET_BYTES, keyId);
    };
    return { access: derive('at'), refresh: derive('rt') };
  }

  /** True if `writeSuccessor` reproduces the tokens of `pair`: not with other keys, mode, prefix or kind of parent. */
  canMakeSuccessor(subject: TokenSubject, pair: TokenPair, parent: string): boolean {
    const { keyId, signingKeyId, accessHash, refreshHash } = pair;
    if (!this.parts.keys.has(keyId) || !this.parts.format.canSign(signingKeyId)) return false;
    const { access, refresh } = this.sources(subject, pair, this.successorSecrets(subject, pair, parent));
    return (
      equalHashes(this.parts.format.hashOf(access), accessHash) &&
      (refreshHash === null || equalHashes(this.refreshHashOf(refresh), refreshHash))
    );
  }

  /** Computes expiry and hashes of a generation that begins now, for storage. */
  open(subject: TokenSubject, generation: number, secrets: PairSecrets, now: number): TokenPair {
    const { keys, format, mode, allowLongerLife } = this.parts;
    const { accessMs } = mode;
    const refreshMs = mode.refreshMs === null ? null : refreshMsOf(subject, mode.refreshMs, allowLongerLife);
    // The lives of access tokens may have become longer than those of the session's refresh tokens.
    const endsAt = Math.min(now + (refreshMs ?? Infinity), subject.expiresAt);
    const keyId = keys.currentKeyId;
    const life = refreshMs === null ? accessMs : Math.round(accessMs * (1 - Math.random() * ACCESS_SHORTENING));
    const { access, refresh } = this.sources(subject, { generation, keyId }, secrets);
    return {
      generation,
      keyId,
      signingKeyId: format.signingKeyId,
      issuedAt: now,
      accessHash: format.hashOf(access),
      accessExpiresAt: Math.min(now + life, endsAt),
      refreshHash: refreshMs === null ? null : this.refreshHashOf(refresh),
      refreshExpiresAt: refreshMs === null ? null : endsAt,
    };
  }

  openSuccessor(record: SessionRecord, parent: string, now: number): TokenPair {
    const generation = record.current.generation + 1;
    const keyId = this.parts.keys.currentKeyId;
    return this.open(record, generation, this.successorSecrets(record, { generation, keyId }, parent), now);
  }

  async write(subject: TokenSubject, pair: TokenPair, secrets: PairSecrets): Promise<IssuedTokens> {
    const { accessExpiresAt, refreshExpiresAt } = pair;
    const { access, refresh } = this.sources(subject, pair, secrets);
    const accessToken = await this.parts.format.write(access, { userId: subject.userId, pair });
    const now = this.parts.clock.now();
    return {
      accessToken,
      accessExpiresAt,
      expiresIn: secondsUntil(accessExpiresAt, now),
      ...(refreshExpiresAt !== null && {
        refreshToken: this.parts.codec.write('rt', refresh),
        refreshExpiresAt,
        refreshExpiresIn: secondsUntil(refreshExpiresAt, now),
      }),
    };
  }

  /** Writes the successor of `parent` that is recorded as `pair`; see canMakeSuccessor. */
  writeSuccessor(subject: TokenSubject, pair: TokenPair, parent: string): Promise<IssuedTokens> {
    return this.write(subject, pair, this.successorSecrets(subject, pair, parent));
  }

  private sources({ id: sessionId }: TokenSubject, { generation, keyId }: PairName, secrets: PairSecrets) {
    const source = (secret: Buffer): TokenSource => ({ sessionId, generation, keyId, secret });
    return { access: source(secrets.access), refresh: source(secrets.refresh) };
  }

  private refreshHashOf(source: TokenSource): string {
    return hashToken(this.parts.codec.write('rt', source));
  }
}

function secondsUntil(time: number, now: number): number {
  return Math.max(0, Math.round((time - now) / 1000));
}
