import { existsSync, symlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { dirsWith, firstThatStarts, pathDirs } from './candidates.mjs';
import { debianPackage } from './debian-package.mjs';
import { run } from './identity.mjs';
import { startProgram } from './redis-process.mjs';

/** @typedef {import('./candidates.mjs').StartOptions} StartOptions */
/** @typedef {import('./candidates.mjs').Found} Found */

/** @typedef {import('./redis-process.mjs').RedisProgram} RedisProgram */
/** @typedef {import('./redis-process.mjs').RedisServer} RedisServer */
/** @typedef {StartOptions & import('./redis-process.mjs').RedisSettings} RedisOptions */

const NAMES = ['redis-server', 'valkey-server'];
const ADVICE =
  'What helps, any one of: install the package redis-server or valkey-server; on Debian or Ubuntu, network access to the ' +
  'package sources; set TEST_REDIS_BIN to the directory that holds redis-server. See tools/servers/README.md.';

/**
 * Starts a throw-away Redis or Valkey server on a port of 127.0.0.1. It keeps nothing unless `dir` and a way to save are given.
 *
 * @param {RedisOptions} [options]
 * @returns {Promise<RedisServer>}
 */
export async function startRedis(options = {}) {
  return startProgram(await findRedis(options), options);
}

/** @type {Promise<RedisProgram> | undefined} */
let known;

/**
 * Finds the program of `startRedis`, once for a process, or takes what a parent process has found (TEST_REDIS_PROGRAMS).
 *
 * @param {StartOptions} [options]
 * @returns {Promise<RedisProgram>}
 */
export async function findRedis(options = {}) {
  if (options.from || options.env) return search(options);
  const inherited = process.env.TEST_REDIS_PROGRAMS;
  return inherited ? JSON.parse(inherited) : (known ??= search(options));
}

/** @param {StartOptions} options @returns {Promise<RedisProgram>} */
async function search(options) {
  const tried = await firstThatStarts('Redis server', ADVICE, places(options), async (found) => {
    const server = await startProgram(await describe(found), { timeoutMs: options.timeoutMs });
    await server.stop();
    return server;
  });
  return /** @type {RedisServer} */ (tried).program;
}

/** @param {StartOptions} options @returns {Generator<import('./candidates.mjs').Place>} */
function* places({ env = process.env, from }) {
  const given = env.TEST_REDIS_BIN;
  if (given && !from) {
    yield { place: `TEST_REDIS_BIN=${given}`, final: true, find: () => inGiven(resolve(given)) };
  }
  const wanted = from ?? ['system', 'debian'];
  if (wanted.includes('system')) yield { place: 'PATH and the sbin directories', find: () => inSystem(env) };
  if (wanted.includes('debian')) {
    yield { place: 'package of this Debian or Ubuntu, unpacked in the cache directory', find: () => inDebian(env) };
  }
}

/** @param {string} dir @returns {Promise<Found[]>} */
async function inGiven(dir) {
  if (!NAMES.some((name) => dirsWith([dir], [name]).length > 0))
    throw new Error('this directory does not hold redis-server or valkey-server');
  return [{ bin: dir, source: `TEST_REDIS_BIN=${dir}` }];
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inSystem(env) {
  const dirs = [...pathDirs(env), '/usr/bin', '/usr/local/bin', '/usr/sbin', '/usr/local/sbin'];
  const bins = new Set(NAMES.flatMap((name) => dirsWith(dirs, [name])));
  return [...bins].map((bin) => ({ bin, source: `installed in ${bin}` }));
}

/**
 * The package redis-server holds no more than a link to redis-check-rdb in redis-tools: one program that goes by its name.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Found[]>}
 */
async function inDebian(env) {
  const brands = ['redis', 'valkey'];
  /** @param {string} root */
  const programs = (root) => brands.map((brand) => join(root, `usr/bin/${brand}-check-rdb`)).filter(existsSync);
  const unpacked = await debianPackage({ name: 'redis', pattern: /^(redis|valkey)-tools$/, programs }, env);
  for (const program of programs(unpacked.root)) {
    const link = program.replace(/check-rdb$/, 'server');
    try {
      symlinkSync(basename(program), link);
    } catch (error) {
      if (!existsSync(link)) throw error;
    }
  }
  const source = `${unpacked.packages.split(',')[0]}, unpacked in ${unpacked.root}`;
  return [{ bin: join(unpacked.root, 'usr/bin'), source, env: unpacked.env }];
}

/** @param {Found} found @returns {Promise<RedisProgram>} */
async function describe(found) {
  const file = NAMES.map((name) => join(found.bin, name)).find(existsSync) ?? join(found.bin, 'redis-server');
  const said = await run(file, ['--version'], { asServer: true, env: { ...process.env, ...found.env } });
  const number = /\bv=([\w.]+)/.exec(said)?.[1] ?? said.trim();
  return { ...found, file, version: /valkey/i.test(said) ? `${number}-Valkey` : number };
}
