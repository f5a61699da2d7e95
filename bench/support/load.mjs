import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pathDirs, dirsWith } from '../../tools/servers/candidates.mjs';
import { debianPackage } from '../../tools/servers/debian-package.mjs';

/** @typedef {[name: string, value: string]} Header */
/** @typedef {{ url: string, headers: Header[], connections: number, seconds: number }} Load a header per request, in turn */
/** @typedef {{ answers: number, refused: number, failed: number, seconds: number }} Outcome refused: not 2xx */

const SCRIPT = fileURLToPath(new URL('requests.lua', import.meta.url));

/**
 * What makes requests: wrk, since autocannon takes as much CPU time as the server that it loads, from the same cores.
 *
 * @returns {Promise<{ name: string, run(load: Load): Promise<Outcome> }>}
 */
export async function loadGenerator() {
  try {
    const wrk = await findWrk();
    return { name: 'wrk', run: (load) => runWrk(wrk, load) };
  } catch (error) {
    console.warn(`wrk cannot be had, so autocannon makes the load and slows down what is measured: ${error.message}`);
    return { name: 'autocannon', run: runAutocannon };
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
async function runWrk({ file, env }, { url, headers, connections, seconds }) {
  const directory = mkdtempSync(join(tmpdir(), 'session-bench-load-'));
  try {
    const list = join(directory, 'headers.txt');
    writeFileSync(list, headers.map(([name, value]) => `${name}\t${value}\n`).join(''));
    const args = [
      '-t',
      '1',
      '-c',
      `${connections}`,
      '-d',
      `${seconds}s`,
      '--timeout',
      '10s',
      '-s',
      SCRIPT,
      url,
      '--',
      list,
    ];
    const { stdout } = await promisify(execFile)(file, args, { env: { ...process.env, ...env } });
    return JSON.parse(stdout.trimEnd().split('\n').at(-1));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {Load} load @returns {Promise<Outcome>} */
async function runAutocannon({ url, headers, connections, seconds }) {
  const { default: autocannon } = await import('autocannon');
  let next = 0;
  // Each connection has headers of its own, so that no two requests of one session are under way at once.
  const setupClient = (client) => {
    const own = headers.filter((_, index) => index % connections === next % connections);
    next++;
    client.setRequests(own.map(([name, value]) => ({ method: 'GET', headers: { [name]: value } })));
  };
  const result = await autocannon({ url, connections, duration: seconds, setupClient });
  const answers = result['2xx'] + result.non2xx;
  return {
    answers,
    refused: result.non2xx,
    failed: result.errors + result.timeouts,
    seconds: result.duration,
  };
}
