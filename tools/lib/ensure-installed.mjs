import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { run } from './run.mjs';

/** Holds what node_modules was installed from, and what it held then. Written last, so that it is there for whole ones only. */
const STAMP = 'node_modules/.installed-from';
/** npm writes into it what is installed, whenever it changes that. */
const INSTALLED = 'node_modules/.package-lock.json';

/** What this project needs to build and to test itself, whatever npm is configured to leave out or to refuse. */
const SETTINGS = [
  ...[
    '--include=dev',
    '--include=optional',
    '--include=peer',
    '--engine-strict=false',
    '--global=false',
    '--dry-run=false',
  ],
  ...['--no-audit', '--no-fund', '--loglevel=error'],
];

/** False where packages are missing, not those of the lock file, or for another platform. */
export function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp();
}

/** Installs the packages of the lock file unless that is done. Two must not do it at once. */
export async function install() {
  if (isInstalled()) return;
  if (lstatSync('node_modules', { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error(
      'node_modules is a link, and npm ci would empty what it points to. Install the packages there yourself.',
    );
    process.exit(1);
  }
  console.error('Installing packages...');
  rmSync(STAMP, { force: true });
  await run('npm', ['ci', ...SETTINGS], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    onFailure: () => console.error('Packages were not installed: npm says why above. Once that is cured, start again.'),
  });
  writeFileSync(STAMP, stamp());
}

function stamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of ['package-lock.json', INSTALLED]) hash.update(existsSync(file) ? readFileSync(file) : '');
  return hash.digest('hex');
}
