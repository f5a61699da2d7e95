import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { ConfigError } from './config-error.js';
import { keptFile, readOrKeep } from './kept-file.js';
import { isEd25519 } from './private-keys.js';
import type { SampleConfig } from './sample-config.js';

const FILE = 'jwt-key.pem';

/** A key that JWTs are signed with. */
export interface JwtKey {
  /** Thumbprint of the public key (RFC 7638): the same key has the same name in every process. */
  readonly kid: string;
  /** PKCS #8 in PEM. */
  readonly privateKey: string;
}

/**
 * The keys of JWT_PRIVATE_KEY, none where no JWTs are made. Where it is not set: one that is made once and kept beside the
 * embedded database; or else one for this run.
 */
export async function jwtKeys(config: SampleConfig): Promise<readonly JwtKey[]> {
  const { tokens, database } = config;
  if (tokens.mode !== 'jwt') return [];
  if (tokens.privateKeys) return tokens.privateKeys.map(named);
  if (database.kind === 'file') return [named(await keptKey())];
  console.error('JWT_PRIVATE_KEY is not set: tokens will be refused after a restart, and by every other process.');
  return [named(newKey())];
}

async function keptKey(): Promise<string> {
  const key = await readOrKeep('JWT_PRIVATE_KEY', FILE, newKey);
  if (!isEd25519(key)) {
    throw new ConfigError(
      'JWT_PRIVATE_KEY',
      `is not set, and what is kept in ${keptFile(FILE)} is no Ed25519 private key: delete that file.`,
    );
  }
  return key;
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim();
}

function named(privateKey: string): JwtKey {
  const { crv, kty, x } = createPublicKey(privateKey).export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
  return { kid, privateKey };
}
