import { randomBytes } from 'node:crypto';
import { ConfigError } from './config-error.js';
import { keptFile, readOrKeep } from './kept-file.js';
import type { SampleConfig } from './sample-config.js';

const FILE = 'session-secret';

/**
 * The secrets of SESSION_SECRET. Where it is not set: one that is made once and kept beside the embedded database, whose
 * sessions outlive the process; or else one for this run.
 */
export async function sessionSecrets(config: SampleConfig): Promise<readonly string[]> {
  if (config.sessionSecrets) return config.sessionSecrets;
  if (config.database.kind === 'file') return [await keptSecret()];
  console.error('SESSION_SECRET is not set: tokens will be refused after a restart, and by every other process.');
  return [newSecret()];
}

async function keptSecret(): Promise<string> {
  const secret = await readOrKeep('SESSION_SECRET', FILE, newSecret);
  if (Buffer.byteLength(secret) < 32) {
    throw new ConfigError(
      'SESSION_SECRET',
      `is not set, and the one kept in ${keptFile(FILE)} is too short: delete that file.`,
    );
  }
  return secret;
}

function newSecret(): string {
  return randomBytes(48).toString('base64url');
}
