import { chownSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { launchServer } from './child.mjs';
import { makeHome } from './home.mjs';
import { serverIdentity } from './identity.mjs';

/** @typedef {import('./candidates.mjs').Found & { file: string, version: string }} RedisProgram */

/**
 * @typedef {object} RedisSettings
 * @property {string[]} [args] more settings as the program takes them, ['--maxmemory', '10mb']
 * @property {string} [config] the text of a configuration file that takes the place of the settings for tests
 * @property {number} [port] a free one if not given
 * @property {string} [dir] a directory for the data that outlives the server, made if need be; the caller removes it
 * @property {number} [timeoutMs] for starting; 60 s if not given
 */

/**
 * @typedef {import('./candidates.mjs').TestServer & {
 *   program: RedisProgram,
 *   kill: () => Promise<void>,
 * }} RedisServer kill ends it as a crash does; the port is free afterwards
 */

/**
 * @param {RedisProgram} program
 * @param {RedisSettings} settings
 * @returns {Promise<RedisServer>}
 */
export async function startProgram(program, settings) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(settings.port ?? (await freePortPair()), program, settings);
    } catch (error) {
      // Another process can take the port before the server listens on it.
      const again = settings.port === undefined && /address already in use/i.test(String(error));
      if (!again || attempt === 4) throw error;
    }
  }
}

/** @param {number} port @param {RedisProgram} program @param {RedisSettings} settings @returns {Promise<RedisServer>} */
async function startOn(port, program, { args = [], config, dir, timeoutMs }) {
  const home = makeHome('session-test-redis-');
  try {
    const data = dir === undefined ? home.subdirectory('data') : ownDirectory(resolve(dir));
    // Before version 7 the command DEBUG was there without a setting.
    const debug = Number.parseInt(program.version) < 7 ? [] : ['--enable-debug-command', 'yes'];
    const forTests = ['--save', '', '--appendonly', 'no', ...debug];
    const place = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', data];
    const all = [...place, '--protected-mode', 'yes', '--daemonize', 'no', ...args];
    const { pid, end } = await launchServer(
      home,
      program.file,
      config === undefined ? [...forTests, ...all] : [home.file('server.conf', config), ...all],
      { env: program.env, timeoutMs, port, signals: ['SIGTERM'], ready: /Ready to accept connections|Sentinel ID is/ },
    );
    /** @type {Promise<void> | undefined} */
    let stopped;
    const stop = () => (stopped ??= end().then(() => home.remove()));
    const kill = () => {
      try {
        if (stopped === undefined) process.kill(pid, 'SIGKILL');
      } catch {
        // It ended before.
      }
      return stop();
    };
    const { version, source } = program;
    return { url: `redis://127.0.0.1:${port}`, version, source, port, pid, stop, program, kill };
  } catch (error) {
    await home.remove();
    throw error;
  }
}

/** @param {string} dir */
function ownDirectory(dir) {
  mkdirSync(dir, { recursive: true });
  const { uid, gid } = serverIdentity();
  if (uid !== undefined && gid !== undefined) chownSync(dir, uid, gid);
  return dir;
}

/**
 * A port that is free with the one 10000 above it, where a cluster's node listens as well. Both lie below those that the
 * kernel gives to outgoing connections, so that none of them sits on the port when a server is started on it again.
 *
 * @returns {Promise<number>}
 */
async function freePortPair() {
  for (;;) {
    const port = 11_000 + Math.floor(Math.random() * 10_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}
