import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { invalidOption } from '../model/session-error.js';

const MIN_SECRET_BYTES = 32;
const MAX_SECRETS = 4;

/** Each purpose has its own derived key, so that a value made for one never passes for another. */
export type KeyPurpose = 'token-mac' | 'login-ticket' | 'limit-ticket' | 'successor';

/** The first secret signs, all are accepted: rotate over rolling deploys with K1, then K1,K2, then K2,K1, then K2. */
export class SecretKeys {
  private readonly secrets: readonly Buffer[];
  private readonly ids: readonly string[];
  private readonly derived = new Map<KeyPurpose, readonly Buffer[]>();

  /** @param realm separates the keys of realms @throws SessionError CONFIGURATION_INVALID */
  constructor(
    secret: string | readonly string[],
    private readonly realm: string,
  ) {
    const list: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
    if (list.length === 0 || list.length > MAX_SECRETS) {
      throw invalidOption('secret', `must be one secret or a list of 1 to ${MAX_SECRETS}`);
    }
    this.secrets = list.map((value) => {
      const given = typeof value === 'string' ? `has ${Buffer.byteLength(value)}` : `is ${typeof value}`;
      if (typeof value === 'string' && Buffer.byteLength(value) >= MIN_SECRET_BYTES) return Buffer.from(value);
      throw invalidOption(
        'secret',
        `must be text of at least ${MIN_SECRET_BYTES} bytes, but ${given}; generate one with: openssl rand -base64 48`,
      );
    });
    if (new Set(list).size !== list.length) throw invalidOption('secret', 'must not list the same secret twice');
    this.ids = this.secrets.map((one) => this.derive(one, 'key-id').toString('hex').slice(0, 16));
  }

  /** Name of the signing key, 16 hex digits that reveal nothing of the secret. */
  get currentKeyId(): string {
    return this.ids[0]!;
  }

  has(keyId: string): boolean {
    return this.ids.includes(keyId);
  }

  /** HMAC-SHA-256 truncated to `bytes`. @throws Error if there is no key of this name; see `has` */
  sign(purpose: KeyPurpose, data: string | Buffer, bytes: number, keyId = this.currentKeyId): Buffer {
    const key = this.keys(purpose)[this.ids.indexOf(keyId)];
    if (!key) throw new Error(`There is no key ${keyId} here.`);
    return mac(key, data, bytes);
  }

  /** Checks the MAC of `data` against all accepted keys in constant time. */
  verify(purpose: KeyPurpose, data: string | Buffer, tag: Buffer): boolean {
    return this.keys(purpose).some((key) => timingSafeEqual(mac(key, data, tag.length), tag));
  }

  private keys(purpose: KeyPurpose): readonly Buffer[] {
    let keys = this.derived.get(purpose);
    if (!keys) this.derived.set(purpose, (keys = this.secrets.map((secret) => this.derive(secret, purpose))));
    return keys;
  }

  /** HKDF (RFC 5869) with purpose and realm as length-prefixed context. */
  private derive(secret: Buffer, label: string): Buffer {
    const info = [label, this.realm].map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
    return Buffer.from(hkdfSync('sha256', secret, 'session-token-v1', info, 32));
  }
}

function mac(key: Buffer, data: string | Buffer, bytes: number): Buffer {
  return createHmac('sha256', key).update(data).digest().subarray(0, bytes);
}
