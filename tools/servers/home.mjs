import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reachable, serverIdentity } from './identity.mjs';

/**
 * @typedef {object} Home A temporary directory with a watchdog that outlives this process.
 * @property {string} dir the directory, owned by the identity the server runs with
 * @property {(pid: number | undefined, signals?: NodeJS.Signals[]) => void} guard names the process group to end when this
 *   process ends, and how: the signals in turn, then SIGKILL after 5 s; undefined: none
 * @property {(name: string, text: string) => string} file writes a file in it that the server can read
 * @property {(name: string) => string} subdirectory makes an empty directory in it
 * @property {() => Promise<void>} remove removes the directory and ends the watchdog
 */

// Its standard input is a pipe from this process. Each line names a process group and how to end it (empty: there is none).
// The pipe closes when this process ends in whatever way, SIGKILL included; then the group is ended, the directory removed.
const WATCHDOG = `trap '' HUP INT TERM; PATH="$PATH:/usr/bin:/bin"; group=; signals=
while read -r group_ signals_; do group=$group_; signals=$signals_; done
alive() { kill -0 -"$group" && ! grep -qs ') Z ' "/proc/$group/stat"; }
if [ -n "$group" ]; then
  for signal in $signals; do alive && kill -"$signal" -"$group" && sleep 0.2; done
  i=0; while alive && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
  kill -KILL -"$group"
fi 2>/dev/null
rm -rf "$1" 2>/dev/null || { sleep 1; rm -rf "$1"; }`;

/**
 * Makes a temporary directory that the server's identity can use, short enough for a Unix socket in it.
 *
 * @param {string} prefix
 * @returns {Home}
 */
export function makeHome(prefix) {
  const bases = [tmpdir(), '/tmp', '/var/tmp'].filter((base) => existsSync(base) && reachable(base));
  const base = bases.find((path) => path.length < 60) ?? tmpdir();
  const dir = mkdtempSync(join(realpathSync(base), prefix));
  giveToServer(dir);
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'sh', dir], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {}); // no shell: the directory is still removed by remove()
  watchdog.stdin.on('error', () => {});
  const gone = new Promise((resolve) => void watchdog.once('exit', resolve).once('error', resolve));
  watchdog.unref();
  /** @type {import('node:net').Socket} */ (watchdog.stdin).unref();
  return {
    dir,
    guard: (pid, signals = []) => {
      const names = signals.map((signal) => signal.slice('SIG'.length));
      watchdog.stdin.write(pid === undefined ? '\n' : `${[pid, ...names].join(' ')}\n`);
    },
    file: (name, text) => {
      const path = join(dir, name);
      writeFileSync(path, text);
      giveToServer(path, 0o600);
      return path;
    },
    subdirectory: (name) => {
      const path = join(dir, name);
      mkdirSync(path);
      giveToServer(path);
      return path;
    },
    remove: async () => {
      await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      watchdog.ref();
      watchdog.stdin.end();
      await gone;
    },
  };
}

/** @param {string} path @param {number} [mode] */
function giveToServer(path, mode = 0o700) {
  const { uid, gid } = serverIdentity();
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
  chmodSync(path, mode);
}
