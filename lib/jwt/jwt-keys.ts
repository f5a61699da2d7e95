import { type JsonWebKey, KeyObject, createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import { type FieldsOf, checkOptions } from '../model/checked-input.js';
import { invalidOption } from '../model/session-error.js';

export type JwtAlgorithm = 'EdDSA' | 'HS256';

/** Key of a JWT mode. For EdDSA an Ed25519 private key, or the public key of one that no longer signs. */
export interface JwtKey {
  /** Key id, in the header of every token that the key signed: 1 to 64 letters, digits and `._-`. */
  readonly kid: string;
  /** Ed25519, as PEM (PKCS #8), JSON Web Key or KeyObject. */
  readonly privateKey?: string | JsonWebKey | KeyObject;
  /** Ed25519, as PEM (SPKI), JSON Web Key or KeyObject. */
  readonly publicKey?: string | JsonWebKey | KeyObject;
  /** For HS256: at least 32 bytes. */
  readonly secret?: string | Uint8Array;
}

/** JSON Web Key Set of public keys (RFC 7517 section 5). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

interface LoadedKey {
  readonly signing: KeyObject | null;
  readonly verifying: KeyObject;
}

/** RFC 7518 section 3.2: as long as the hash. */
export const MIN_SECRET_BYTES = 32;
const KNOWN: FieldsOf<JwtKey> = { kid: true, privateKey: true, publicKey: true, secret: true };

/** Keys of a JWT mode by key id. The first signs; all verify. */
export class JwtKeys {
  private readonly keys = new Map<string, LoadedKey>();

  /** @throws SessionError CONFIGURATION_INVALID; messages contain no part of a key */
  constructor(
    readonly algorithm: JwtAlgorithm,
    given: readonly JwtKey[],
  ) {
    if (algorithm !== 'EdDSA' && algorithm !== 'HS256') {
      throw invalidOption('tokens.algorithm', 'must be EdDSA or HS256');
    }
    if (!Array.isArray(given) || given.length === 0 || given.length > 8) {
      throw invalidOption('tokens.keys', 'must be a list of 1 to 8 keys');
    }
    given.forEach((key, index) => this.add(key, `tokens.keys[${index}]`));
    if (!this.keys.get(this.signingKeyId)?.signing) {
      throw invalidOption('tokens.keys[0]', 'must have a private key, because the first key signs');
    }
  }

  get signingKeyId(): string {
    return this.keys.keys().next().value!;
  }

  /** Returns the signing key of this id. @throws Error if there is none */
  signing(kid: string): KeyObject {
    const key = this.keys.get(kid)?.signing;
    if (!key) throw new Error(`No signing key ${kid}.`);
    return key;
  }

  canSign(kid: string): boolean {
    return Boolean(this.keys.get(kid)?.signing);
  }

  verifying(kid: string): KeyObject | null {
    return this.keys.get(kid)?.verifying ?? null;
  }

  /** Returns the public keys as a JSON Web Key Set (RFC 7517); empty for HS256, whose keys are secret. */
  publicKeys(): JsonWebKeySet {
    if (this.algorithm === 'HS256') return { keys: [] };
    const facts = { alg: 'EdDSA', use: 'sig' };
    return {
      keys: [...this.keys].map(([kid, key]) => ({ ...key.verifying.export({ format: 'jwk' }), kid, ...facts })),
    };
  }

  private add(key: JwtKey, name: string): void {
    checkOptions(key, `${name}.`, KNOWN);
    if (typeof key.kid !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(key.kid)) {
      throw invalidOption(`${name}.kid`, 'must be 1 to 64 letters, digits and ._-');
    }
    if (this.keys.has(key.kid)) throw invalidOption(`${name}.kid`, 'must be unique among the keys');
    this.keys.set(key.kid, this.algorithm === 'HS256' ? loadSecret(key, name) : loadEd25519(key, name));
  }
}

function loadSecret({ secret, privateKey, publicKey }: JwtKey, name: string): LoadedKey {
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret;
  if (privateKey !== undefined || publicKey !== undefined || !(bytes instanceof Uint8Array)) {
    throw invalidOption(name, 'must be { kid, secret } for HS256');
  }
  if (bytes.length < MIN_SECRET_BYTES) throw invalidOption(`${name}.secret`, 'must be at least 32 bytes');
  const key = createSecretKey(bytes);
  return { signing: key, verifying: key };
}

function loadEd25519({ privateKey, publicKey, secret }: JwtKey, name: string): LoadedKey {
  if (secret !== undefined || (privateKey === undefined) === (publicKey === undefined)) {
    const problem = 'must be { kid, privateKey } for EdDSA, or { kid, publicKey } for a key that no longer signs';
    throw invalidOption(name, problem);
  }
  const part = `${name}.${privateKey === undefined ? 'publicKey' : 'privateKey'}`;
  const signing = privateKey === undefined ? null : load(privateKey, 'private', part);
  const verifying = load(signing ?? publicKey!, 'public', part);
  if (verifying.asymmetricKeyType !== 'ed25519') throw invalidOption(part, 'must be an Ed25519 key');
  return { signing, verifying };
}

function load(given: string | JsonWebKey | KeyObject, type: 'private' | 'public', name: string): KeyObject {
  const create = type === 'private' ? createPrivateKey : createPublicKey;
  try {
    if (given instanceof KeyObject && given.type === type) return given;
    // A public key can be derived from a private one; the reverse throws.
    if (given instanceof KeyObject || typeof given === 'string') return create(given as string);
    return create({ key: given, format: 'jwk' } as never);
  } catch {
    // The original error may quote parts of the key.
    throw invalidOption(name, `cannot be parsed as a ${type} key: use PEM, a JSON Web Key or a KeyObject`);
  }
}
