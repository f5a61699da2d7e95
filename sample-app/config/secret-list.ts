import { ConfigError } from './config-error.js';

const MIN_BYTES = 32;
const MAX_SECRETS = 4;

/** @throws ConfigError, which never repeats a secret */
export function parseSecretList(value: string | undefined, isProduction: boolean): readonly string[] | null {
  if (value === undefined) {
    if (isProduction) {
      throw new ConfigError(
        'SESSION_SECRET',
        'must be set with NODE_ENV=production. Make one: openssl rand -base64 48',
      );
    }
    return null;
  }
  const secrets = value.split(',').map((secret) => secret.trim());
  const usable =
    secrets.length <= MAX_SECRETS &&
    secrets.every((secret) => Buffer.byteLength(secret) >= MIN_BYTES) &&
    new Set(secrets).size === secrets.length;
  if (!usable) {
    throw new ConfigError(
      'SESSION_SECRET',
      `must be one secret of ${MIN_BYTES} bytes or more, or a comma-separated list of at most ${MAX_SECRETS} different ones ` +
        'of which the first signs. Make one: openssl rand -base64 48',
    );
  }
  return Object.freeze(secrets);
}
