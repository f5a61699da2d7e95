import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pathDirs, dirsWith } from '../../tools/servers/candidates.mjs';
import { debianPackage } from '../../tools/servers/debian-package.mjs';
import { CONNECTIONS, TURN_MS } from './turns.mjs';

/** @typedef {[name: string, value: string]} Header */
/**
 * A header per request, in turn, and a path for TURN_MS, in turn.
 * @typedef {{ origin: string, paths: string[], headers: Header[], seconds: number }} Load
 */
/** @typedef {{ answers: number, refused: number, failed: number }} Outcome refused: not 2xx */

const SCRIPT = fileURLToPath(new URL('requests.lua', import.meta.url));

/**
 * What makes requests: wrk, since autocannon takes as much CPU time as the server that it loads, from the same cores.
 *
 * @returns {Promise<{ name: string, run(load: Load): Promise<void> }>} run rejects if a request fails or is refused
 */
export async function loadGenerator() {
  try {
    const wrk = await findWrk();
    return { name: 'wrk', run: async (load) => check(load, await runWrk(wrk, load)) };
  } catch (error) {
    console.warn(`wrk cannot be had, so autocannon makes the load and slows down what is measured: ${error.message}`);
    return { name: 'autocannon', run: async (load) => check(load, await runAutocannon(load)) };
  }
}

/** @param {Load} load @param {Outcome} outcome */
function check({ paths }, { answers, refused, failed }) {
  if (answers === 0 || refused + failed > 0) {
    throw new Error(`Of ${answers} requests to ${paths.join(' and ')}, ${refused} were refused, and ${failed} failed.`);
  }
}

async function findWrk() {
  const [installed] = dirsWith(pathDirs(process.env), ['wrk']);
  if (installed) return { file: join(installed, 'wrk') };
  const file = (root) => join(root, 'usr/bin/wrk');
  const unpacked = await debianPackage({ name: 'wrk', pattern: /^wrk$/, programs: (root) => [file(root)] });
  return { file: file(unpacked.root), env: unpacked.env };
}

/** Three answers that are no 2xx escape it: wrk counts what is above 399. @returns {Promise<Outcome>} */
async function runWrk({ file, env }, { origin, paths, headers, seconds }) {
  const directory = mkdtempSync(join(tmpdir(), 'session-bench-load-'));
  try {
    const list = join(directory, 'headers.txt');
    writeFileSync(list, headers.map(([name, value]) => `${name}\t${value}\n`).join(''));
    const options = ['-t', '1', '-c', `${CONNECTIONS}`, '-d', `${seconds}s`, '--timeout', '10s', '-s', SCRIPT];
    const args = [...options, origin, '--', list, `${TURN_MS}`, ...paths];
    const { stdout } = await promisify(execFile)(file, args, { env: { ...process.env, ...env } });
    return JSON.parse(stdout.trimEnd().split('\n').at(-1));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {Load} load @returns {Promise<Outcome>} */
async function runAutocannon({ origin, paths, headers, seconds }) {
  const { default: autocannon } = await import('autocannon');
  const began = performance.now();
  const setupRequest = (request) => {
    request.path = paths[Math.floor((performance.now() - began) / TURN_MS) % paths.length];
    return request;
  };
  let next = 0;
  // Each connection has headers of its own, so that no two requests of one session are under way at once.
  const setupClient = (client) => {
    const own = headers.filter((_, index) => index % CONNECTIONS === next % CONNECTIONS);
    next++;
    client.setRequests(own.map(([name, value]) => ({ method: 'GET', headers: { [name]: value }, setupRequest })));
  };
  const result = await autocannon({ url: origin, connections: CONNECTIONS, duration: seconds, setupClient });
  return {
    answers: result['2xx'] + result.non2xx,
    refused: result.non2xx,
    failed: result.errors + result.timeouts,
  };
}
