import { execFile } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** The user and group "nobody", which need not have a name on the machine. */
const NOBODY = 65534;

const isRoot = () => process.getuid?.() === 0;

/**
 * Database servers refuse to run as root: root hands over to "nobody", everybody else stays as is.
 *
 * @returns {{ uid?: number, gid?: number }} to be spread into spawn options
 */
export function serverIdentity() {
  return isRoot() ? { uid: NOBODY, gid: NOBODY } : {};
}

/**
 * Whether the server's identity can get to a path, that is, whether "others" may pass all directories above it.
 * The parts of the path that do not exist yet are not looked at.
 *
 * @param {string} path
 * @returns {boolean}
 */
export function reachable(path) {
  if (!isRoot()) return true;
  let at = resolve(path);
  while (!existsSync(at)) at = dirname(at);
  for (at = realpathSync(at); ; at = dirname(at)) {
    const stat = statSync(at);
    if (stat.isDirectory() && (stat.mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * The directory for what is unpacked once and used again. It must be reachable for the server's identity (a root's home
 * directory usually is not) and must not be writable by another user, because programs are started from it.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string}
 */
export function cacheDir(env = process.env) {
  const name = 'session-test-servers';
  const named = `${name}-${process.getuid?.() ?? 'user'}`;
  const home = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  const places = env.TEST_SERVER_CACHE
    ? [join(resolve(env.TEST_SERVER_CACHE), name)]
    : [join(home, name), ...(isRoot() ? [join('/var/tmp', named)] : []), join(tmpdir(), named)];
  const problems = [];
  for (const dir of places) {
    try {
      if (!reachable(dir)) throw new Error('a directory above it is closed to the user the server runs as');
      if (!existsSync(dir)) mkdirSync(dir, { recursive: true });
      const stat = lstatSync(dir);
      if (!stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid))
        throw new Error('it is not our directory');
      chmodSync(dir, 0o755);
      accessSync(dir, constants.W_OK);
      if (!reachable(dir)) throw new Error('a directory above it is closed to the user the server runs as');
      return dir;
    } catch (error) {
      problems.push(`${dir}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`no usable cache directory (set TEST_SERVER_CACHE): ${problems.join('; ')}`);
}

/**
 * Runs a short command, on PATH or in the usual directories of the system, and resolves to its output.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ asServer?: boolean, cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number }} [options] asServer: with the
 *   identity the server will have, from a directory it can be in
 * @returns {Promise<string>}
 */
export function run(file, args, { asServer = false, cwd = '/', env = process.env, timeoutMs = 300_000 } = {}) {
  return new Promise((done, fail) => {
    const identity = asServer ? serverIdentity() : {};
    const path = `${env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`;
    const fullEnv = { ...env, PATH: path, LC_ALL: 'C' };
    const options = { ...identity, cwd, env: fullEnv, timeout: timeoutMs, maxBuffer: 64 << 20 };
    try {
      execFile(file, args, options, (error, stdout, stderr) => {
        if (!error) return done(stdout);
        const said = `${stderr}`.trim().split('\n').slice(-6).join('\n');
        const how = error.code === 'ENOENT' ? 'command not found' : said || error.message;
        fail(new Error(`${[file, ...args].join(' ').slice(0, 200)}: ${how}`, { cause: error }));
      });
    } catch (error) {
      fail(error);
    }
  });
}
