import { createPrivateKey } from 'node:crypto';
import { ConfigError } from './config-error.js';

const PEM_BLOCK = /-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END PRIVATE KEY-----/g;
const MAX_KEYS = 4;

/**
 * The keys of JWT_PRIVATE_KEY as PEM texts, null where it is not set. Line ends may be written as `\n`, since many places
 * that hold environment variables know no others.
 * @throws ConfigError, which never repeats a key
 */
export function parsePrivateKeys(value: string | undefined, isRequired: boolean): readonly string[] | null {
  if (value === undefined) {
    if (isRequired) {
      throw new ConfigError(
        'JWT_PRIVATE_KEY',
        'must be set with TOKEN_MODE=jwt and NODE_ENV=production. Make one: openssl genpkey -algorithm ed25519',
      );
    }
    return null;
  }
  const text = value.replaceAll('\\n', '\n');
  const keys = text.match(PEM_BLOCK) ?? [];
  const usable =
    keys.length >= 1 &&
    keys.length <= MAX_KEYS &&
    keys.every(isEd25519) &&
    new Set(keys).size === keys.length &&
    text.replace(PEM_BLOCK, '').trim() === '';
  if (!usable) {
    throw new ConfigError(
      'JWT_PRIVATE_KEY',
      `must be an Ed25519 private key in PEM (PKCS #8), or at most ${MAX_KEYS} different ones in a row of which the first ` +
        'signs. Make one: openssl genpkey -algorithm ed25519',
    );
  }
  return Object.freeze([...keys]);
}

/** Whether a PEM text holds a private key for Ed25519. */
export function isEd25519(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'ed25519';
  } catch {
    return false;
  }
}
