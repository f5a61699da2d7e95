import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

/** Holds what node_modules was installed from, and what it held then. Written last, so that it is there for whole ones only. */
const stampOf = (folder) => join(folder, 'node_modules/.installed-from');
/** npm writes into the second what is installed, whenever it changes that. */
const LOCKS = ['package-lock.json', 'node_modules/.package-lock.json'];

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

/** False where packages are missing, not those of the lock file, or for another platform. @param folder with a lock file */
export function isInstalled(folder = '.') {
  return existsSync(stampOf(folder)) && readFileSync(stampOf(folder), 'utf8') === stamp(folder);
}

/** Installs the packages of the lock file unless that is done. Two must not do it at once. */
export async function install(folder = '.') {
  if (isInstalled(folder)) return;
  const modules = join(folder, 'node_modules');
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error(
      `${modules} is a link, and npm ci would empty what it points to. Install the packages there yourself.`,
    );
    process.exit(1);
  }
  console.error(folder === '.' ? 'Installing packages...' : `Installing packages of ${folder}...`);
  rmSync(stampOf(folder), { force: true });
  await run('npm', ['ci', ...SETTINGS], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    onFailure: () => console.error('Packages were not installed: npm says why above. Once that is cured, start again.'),
  });
  writeFileSync(stampOf(folder), stamp(folder));
}

function stamp(folder) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const name of LOCKS) {
    const file = join(folder, name);
    hash.update(existsSync(file) ? readFileSync(file) : '');
  }
  return hash.digest('hex');
}
