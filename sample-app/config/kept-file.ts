import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from './config-error.js';
import { DATA_DIRECTORY } from './database-url.js';

/** Where a file that the application keeps is, for messages. */
export function keptFile(name: string): string {
  return join(DATA_DIRECTORY, name);
}

/**
 * The text of a file beside the embedded database that only its owner may read, made by the first start that misses it.
 * @param variable which may be set instead
 * @throws ConfigError where the file can neither be read nor made
 */
export async function readOrKeep(variable: string, name: string, make: () => string): Promise<string> {
  const file = keptFile(name);
  try {
    await mkdir(DATA_DIRECTORY, { recursive: true, mode: 0o700 });
    return (await readKept(file)) ?? (await keep(file, make()));
  } catch (cause) {
    const { message } = cause as Error;
    const problem = `is not set, and none can be kept in ${file} (${message}). Make ${DATA_DIRECTORY} a folder that this user may write to, or set ${variable}.`;
    throw new ConfigError(variable, problem, { cause });
  }
}

/**
 * Writes the text under another name and links it to its place, which fails if there is one by now. So the file is never
 * seen half written, and of two processes that start together the slower one takes the other's.
 */
async function keep(path: string, text: string): Promise<string> {
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await file.close();
    await unlink(draft);
  }
  return (await readFile(path, 'utf8')).trim();
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
