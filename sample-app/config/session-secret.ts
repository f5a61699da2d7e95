import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from './config-error.js';
import { DATA_DIRECTORY } from './database-url.js';
import type { SampleConfig } from './sample-config.js';

const FILE = join(DATA_DIRECTORY, 'session-secret');

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
  await mkdir(DATA_DIRECTORY, { recursive: true, mode: 0o700 });
  const secret = (await readSecret()) ?? (await createSecret());
  if (Buffer.byteLength(secret) < 32) {
    throw new ConfigError('SESSION_SECRET', `is not set, and the one kept in ${FILE} is too short: delete that file.`);
  }
  return secret;
}

/**
 * Writes the secret under another name and links it to its place, which fails if there is one by now. So the file is
 * never seen half written, and of two processes that start together the slower one takes the other's.
 */
async function createSecret(): Promise<string> {
  const draft = `${FILE}.${randomBytes(8).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${newSecret()}\n`);
    await file.sync();
    await link(draft, FILE).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await file.close();
    await unlink(draft);
  }
  return (await readFile(FILE, 'utf8')).trim();
}

async function readSecret(): Promise<string | undefined> {
  try {
    return (await readFile(FILE, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function newSecret(): string {
  return randomBytes(48).toString('base64url');
}
