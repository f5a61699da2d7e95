import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { byVersion, entries } from './candidates.mjs';
import { cacheDir, run } from './identity.mjs';

/**
 * @typedef {object} PackageWish
 * @property {string} name what the cached copy is called
 * @property {RegExp} pattern names of the packages that will do, the unversioned or else the highest one is taken
 * @property {(root: string) => string[]} programs the programs in an unpacked copy that must find their libraries
 * @property {string[]} [with] more packages that belong into the copy, such as data files; those that the machine's sources
 *   do not offer are left out
 * @property {string[]} [private] directories beside the libraries where some of them keep libraries of their own
 */

/** @typedef {{ root: string, packages: string, env: Record<string, string> }} Unpacked */

/**
 * Downloads a package of the machine's own distribution (Debian, Ubuntu and the like) with the libraries it lacks, and
 * unpacks it into the cache directory. It needs no root rights, installs nothing and touches no state of the system:
 * the package lists are fetched into a private directory, with the system's own sources and keys.
 *
 * @param {PackageWish} wish
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Unpacked>}
 */
export async function debianPackage(wish, env = process.env) {
  const cache = cacheDir(env);
  const root = join(cache, `${wish.name}-${distribution()}-${process.arch}`);
  if (!existsSync(root)) {
    await removeLeftovers(cache);
    const staging = mkdtempSync(join(cache, '.new-'));
    try {
      await unpackInto(staging, wish, env);
      await moveInPlace(join(staging, 'root'), root);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }
  return { root, packages: readFileSync(join(root, 'packages.txt'), 'utf8').trim(), env: libraryPath(root, wish) };
}

/**
 * Gives a finished directory its name. When a parallel run was first, its copy is as good and ours is left where it is.
 *
 * @param {string} from
 * @param {string} to
 */
export async function moveInPlace(from, to) {
  await run('chmod', ['-R', 'a+rX,go-w', from]);
  await rename(from, to).catch((error) => {
    if (!existsSync(to)) throw error;
  });
}

/** @param {string} staging @param {PackageWish} wish @param {NodeJS.ProcessEnv} env */
async function unpackInto(staging, wish, env) {
  const root = join(staging, 'root');
  for (const dir of ['lists/partial', 'cache/archives/partial', 'debs', 'root']) {
    mkdirSync(join(staging, dir), { recursive: true });
  }
  const config = join(staging, 'apt.conf');
  writeFileSync(
    config,
    `Dir::State "${staging}";\nDir::State::lists "${staging}/lists";\nDir::State::status "/var/lib/dpkg/status";\n` +
      `Dir::Cache "${staging}/cache";\nAcquire::Languages "none";\nAcquire::Retries "3";\nAPT::Sandbox::User "root";\n` +
      `APT::Update::Error-Mode "any";\n#clear APT::Update::Pre-Invoke;\n` +
      `#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n`,
  );
  const debs = join(staging, 'debs');
  /** @param {string} tool @param {string[]} args */
  const apt = (tool, args) => run(tool, ['-c', config, ...args], { cwd: debs, env });
  // One source of several that cannot be reached is no reason to give up: what counts is whether the package is found.
  const updated = await apt('apt-get', ['-q', 'update']).catch((error) => error);
  const reason = updated instanceof Error ? `\n${updated.message}` : '';
  const known = (await apt('apt-cache', ['pkgnames'])).split('\n').filter((name) => wish.pattern.test(name));
  const names = known.sort((a, b) => a.length - b.length || byVersion(a, b));
  let wanted = await firstAvailable(names, apt);
  if (wanted.length === 0) {
    throw new Error(`the package sources of this machine offer nothing like ${wish.pattern.source}${reason}`);
  }
  for (const name of wish.with ?? []) wanted.push(...(await firstAvailable([name], apt)));
  const unpacked = new Set();
  for (let depth = 0; wanted.length > 0 && depth < 6; depth += 1) {
    await apt('apt-get', ['-q', 'download', ...wanted]).catch((error) => {
      throw new Error(`${error.message}${reason}`, { cause: error });
    });
    for (const name of wanted) unpacked.add(name);
    for (const deb of entries(debs)) {
      await run('dpkg-deb', ['-x', deb, root], { env });
      await rm(deb);
    }
    if ((await missingLibraries(root, wish, env)).length === 0) break;
    const depends = await apt('apt-cache', ['depends', ...wanted]);
    const libraries = [...depends.matchAll(/^ [ |](?:Pre)?Depends: ((?:lib|zlib)[^\s:<>]*)/gm)].map(
      (match) => match[1] ?? '',
    );
    wanted = [];
    for (const name of new Set(libraries)) {
      if (unpacked.has(name) || /^lib(c6|gcc-s1|stdc\+\+6|llvm.*)$/.test(name) || (await isInstalled(name, env)))
        continue;
      wanted.push(name);
    }
  }
  const missing = await missingLibraries(root, wish, env);
  if (missing.length > 0) throw new Error(`${missing.join(', ')}: not found in ${[...unpacked].join(', ')}`);
  const versions = await apt('apt-cache', ['show', '--no-all-versions', ...unpacked]);
  const pairs = [...versions.matchAll(/^Package: (.+)\n(?:.*\n)*?Version: (.+)/gm)].map(
    (match) => `${match[1]} ${match[2]}`,
  );
  writeFileSync(join(root, 'packages.txt'), `${pairs.join(', ')}\n`);
}

/** @param {string[]} names @param {(tool: string, args: string[]) => Promise<string>} apt */
async function firstAvailable(names, apt) {
  for (const name of names) {
    if (await apt('apt-cache', ['show', '--no-all-versions', name]).catch(() => '')) return [name];
  }
  return [];
}

/** @param {string} root @param {PackageWish} wish @param {NodeJS.ProcessEnv} env @returns {Promise<string[]>} */
async function missingLibraries(root, wish, env) {
  const programs = wish.programs(root);
  if (programs.length === 0) throw new Error('the package does not hold the programs that were expected');
  const said = await run('ldd', programs, { env: { ...env, ...libraryPath(root, wish) } });
  return [...new Set([...said.matchAll(/(\S+) => not found/g)].map((match) => match[1] ?? ''))];
}

/** @param {string} name @param {NodeJS.ProcessEnv} env */
async function isInstalled(name, env) {
  const state = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ', name], { env }).catch(() => '');
  return state.split(' ').includes('installed');
}

/** @param {string} root @param {PackageWish} wish @returns {Record<string, string>} */
function libraryPath(root, wish) {
  const dirs = [...entries(join(root, 'usr/lib')), ...entries(join(root, 'lib'))];
  const libraries = dirs.filter((dir) => basename(dir).includes('-linux-'));
  const own = (wish.private ?? []).flatMap((name) => libraries.map((dir) => join(dir, name))).filter(existsSync);
  return { LD_LIBRARY_PATH: [...libraries, ...own].join(':') };
}

function distribution() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return ['ID', 'VERSION_ID']
    .map((key) => new RegExp(`^${key}="?([\\w.]+)`, 'm').exec(text)?.[1] ?? 'unknown')
    .join('-');
}

/** Removes what a killed run left half done more than an hour ago. @param {string} cache */
async function removeLeftovers(cache) {
  await mkdir(cache, { recursive: true });
  for (const path of entries(cache).filter((entry) => basename(entry).startsWith('.new-'))) {
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 3_600_000) await rm(path, { recursive: true, force: true });
  }
}
