import { accessSync, constants, readdirSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/**
 * @typedef {object} TestServer A running server for the tests.
 * @property {string} url connection url with a user that may do everything
 * @property {string} version what the server's program calls itself
 * @property {string} source where the programs came from, for people
 * @property {number} port on 127.0.0.1
 * @property {number} pid
 * @property {() => Promise<void>} stop ends the server and removes its data; may be called more than once
 */

/**
 * @typedef {object} StartOptions
 * @property {Array<'system' | 'npm' | 'debian'>} [from] try only these, and not the environment variable
 * @property {NodeJS.ProcessEnv} [env] instead of process.env: PATH, TEST_..._BIN, TEST_SERVER_CACHE, XDG_CACHE_HOME
 * @property {string} [projectDir] where node_modules is looked for, also in the directories above
 * @property {number} [cacheMb] of database pages that a database server keeps in memory; as much as it does by default if not given
 * @property {number} [timeoutMs] for initialising and for starting, each; 60 s if not given
 */

/** @typedef {{ bin: string, source: string, env?: Record<string, string> }} Found programs in the directory `bin` */
/**
 * @template [T=Found]
 * @typedef {{ place: string, final?: boolean, find: () => Promise<T[]> }} Place final: what follows is not tried
 */

/**
 * Starts the first server that can be started and, when there is none, says everything that was tried.
 *
 * @template {{ source: string }} F
 * @template S
 * @param {string} what
 * @param {string} advice
 * @param {Iterable<Place<F>>} places
 * @param {(found: F) => Promise<S>} start
 * @returns {Promise<S>}
 */
export async function firstThatStarts(what, advice, places, start) {
  if (process.env.TEST_SERVERS === 'none') throw new Error('There is no server in unit tests (TEST_SERVERS=none).');
  const tried = [];
  for (const { place, find, final } of places) {
    try {
      const all = await find();
      if (all.length === 0) tried.push(`- ${place}: not found`);
      for (const found of all) {
        try {
          return await start(found);
        } catch (error) {
          tried.push(`- ${found.source}: ${message(error)}`);
        }
      }
    } catch (error) {
      tried.push(`- ${place}: ${message(error)}`);
    }
    if (final) break;
  }
  throw new Error(`No ${what} could be started for the tests. Tried:\n${tried.join('\n')}\n${advice}`);
}

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error)).replaceAll('\n', '\n    ');

/** @param {string} file */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * The directories that really hold all the named programs (links are followed, as a server looks for its other files beside
 * its real place), in order and without repetition.
 *
 * @param {string[]} dirs
 * @param {string[]} programs
 * @returns {string[]}
 */
export function dirsWith(dirs, programs) {
  const [first = ''] = programs;
  const real = dirs
    .filter((dir) => dir !== '' && isExecutable(join(dir, first)))
    .map((dir) => dirname(realpathSync(join(dir, first))));
  return [...new Set(real)].filter((dir) => programs.every((program) => isExecutable(join(dir, program))));
}

/** @param {NodeJS.ProcessEnv} env @returns {string[]} */
export const pathDirs = (env) => (env.PATH ?? '').split(delimiter);

/** @param {string} dir @returns {string[]} the entries of a directory, none if it cannot be read */
export function entries(dir) {
  try {
    return readdirSync(dir).map((name) => join(dir, name));
  } catch {
    return [];
  }
}

/** @param {string} a @param {string} b order of version numbers, highest first */
export const byVersion = (a, b) => b.localeCompare(a, 'en', { numeric: true });
