import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { run } from './run.mjs';

/** Holds the hash of the lock file that node_modules was installed from. */
const STAMP = 'node_modules/.installed-from';

/** Installs the packages of the lock file where that has not been done since it last changed. */
export async function ensureInstalled() {
  const lock = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  if (lstatSync('node_modules', { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(
      'node_modules is a link, and npm ci would empty what it points to. Install the packages there yourself.',
    );
  }
  console.error('Installing packages...');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { shell: process.platform === 'win32' });
  writeFileSync(STAMP, lock);
}
