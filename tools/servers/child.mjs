import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverIdentity } from './identity.mjs';

/**
 * @typedef {object} RunOptions
 * @property {Record<string, string>} [env]
 * @property {string} [input]
 * @property {NodeJS.Signals[]} [signals] how to end it, in turn, before SIGKILL; initdb and the like are left to end by
 *   themselves, as they would leave shared memory behind
 * @property {number} [timeoutMs]
 */

/**
 * Starts a program in the home directory with the server's identity, in its own process group (so that Ctrl-C reaches this
 * process only, and the server is then shut down in good order), output appended to a log file.
 *
 * @param {import('./home.mjs').Home} home
 * @param {string} file
 * @param {string[]} args
 * @param {RunOptions} options
 */
function launch(home, file, args, { env = {}, input, signals = [] }) {
  const logFile = join(home.dir, 'server.log');
  const log = openSync(logFile, 'w');
  const { PATH = '/usr/bin:/bin', TZ } = process.env;
  const child = spawn(file, args, {
    ...serverIdentity(),
    cwd: home.dir,
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', log, log],
    env: { PATH, LC_ALL: 'C', HOME: home.dir, TMPDIR: home.dir, ...(TZ === undefined ? {} : { TZ }), ...env },
  });
  closeSync(log);
  home.guard(child.pid, signals);
  /** @type {{ ended?: string, ok?: boolean }} */
  const state = {};
  const exited = new Promise((resolve) => {
    /** @param {string} how @param {boolean} ok */
    const finish = (how, ok) => {
      Object.assign(state, { ended: how, ok });
      home.guard(undefined);
      resolve(undefined);
    };
    child.once('error', (error) => finish(`could not be run (${error.message})`, false));
    child.once('exit', (code, by) => finish(`ended with ${by ?? `exit code ${code}`}`, code === 0));
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  /** @param {NodeJS.Signals} name */
  const kill = (name) => {
    if (child.pid === undefined || state.ended !== undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // It ended a moment ago.
    }
  };
  const end = async () => {
    child.ref();
    for (const [index, signal] of signals.entries()) {
      kill(signal);
      await Promise.race([exited, sleep(index + 1 < signals.length ? 300 : 5000, undefined, { ref: false })]);
    }
    kill('SIGKILL');
    await exited;
  };
  const readLog = () => readFileSync(logFile, 'utf8');
  /** @param {string} what */
  const failure = (what) => new Error(`${file} ${what}\n${readLog().trim().split('\n').slice(-15).join('\n')}`.trim());
  return { child, state, exited, end, readLog, failure };
}

/**
 * Runs a program to its end (initdb and the like) and resolves to what it wrote; rejects unless it exits with 0.
 *
 * @param {import('./home.mjs').Home} home
 * @param {string} file
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<string>}
 */
export async function runInHome(home, file, args, options = {}) {
  const program = launch(home, file, args, options);
  const timer = setTimeout(() => void program.end(), options.timeoutMs ?? 60_000);
  await program.exited;
  clearTimeout(timer);
  if (!program.state.ok) throw program.failure(String(program.state.ended));
  return program.readLog();
}

/**
 * Starts a server in the foreground as a child process and waits until it says that it is ready and accepts a connection.
 *
 * @param {import('./home.mjs').Home} home
 * @param {string} file
 * @param {string[]} args
 * @param {RunOptions & { port: number, ready: RegExp }} options
 * @returns {Promise<{ pid: number, end: () => Promise<void> }>}
 */
export async function launchServer(home, file, args, options) {
  const server = launch(home, file, args, options);
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  while (!(options.ready.test(server.readLog()) && (await accepts(options.port)))) {
    if (server.state.ended !== undefined) throw server.failure(server.state.ended);
    if (Date.now() > deadline) {
      await server.end();
      throw server.failure('was not ready in time');
    }
    await sleep(15);
  }
  if (server.state.ended !== undefined) throw server.failure(server.state.ended);
  server.child.unref(); // a caller that forgets stop() can still end; the watchdog then ends the server
  return { pid: Number(server.child.pid), end: server.end };
}

/** @param {number} port @returns {Promise<boolean>} */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
