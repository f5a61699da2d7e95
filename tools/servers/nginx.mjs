import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dirsWith, firstThatStarts, pathDirs } from './candidates.mjs';
import { launchServer } from './child.mjs';
import { debianPackage } from './debian-package.mjs';
import { freePort } from './free-port.mjs';
import { makeHome } from './home.mjs';

/** @typedef {import('./candidates.mjs').StartOptions} StartOptions */
/** @typedef {import('./candidates.mjs').Found} Found */

const ADVICE =
  'What helps, any one of: install the package nginx; on Debian or Ubuntu, network access to the package sources; set ' +
  'TEST_NGINX_BIN to the directory that holds nginx. See tools/servers/README.md.';

/**
 * Starts nginx on a port of 127.0.0.1, with these directives in its `http` block.
 *
 * @param {(port: number) => string} http
 * @param {StartOptions} [options] `npm` offers none
 * @returns {Promise<Omit<import('./candidates.mjs').TestServer, 'version'>>}
 */
export function startNginx(http, options = {}) {
  return firstThatStarts('nginx', ADVICE, places(options), (found) => start(found, http, options));
}

/** @param {StartOptions} options @returns {Generator<import('./candidates.mjs').Place>} */
function* places({ env = process.env, from }) {
  const given = env.TEST_NGINX_BIN;
  if (given && !from) {
    const found = [{ bin: resolve(given), source: `TEST_NGINX_BIN=${given}` }];
    yield { place: `TEST_NGINX_BIN=${given}`, final: true, find: async () => found };
  }
  const wanted = from ?? ['system', 'debian'];
  if (wanted.includes('system')) {
    const dirs = [...pathDirs(env), '/usr/sbin', '/usr/local/sbin'];
    const find = async () => dirsWith(dirs, ['nginx']).map((bin) => ({ bin, source: `installed in ${bin}` }));
    yield { place: 'PATH and the sbin directories', find };
  }
  if (wanted.includes('debian')) {
    yield { place: 'package of this Debian or Ubuntu, unpacked in the cache directory', find: () => inDebian(env) };
  }
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inDebian(env) {
  /** @param {string} root */
  const programs = (root) => [join(root, 'usr/sbin/nginx')].filter(existsSync);
  const unpacked = await debianPackage({ name: 'nginx', pattern: /^nginx$/, programs }, env);
  const source = `${unpacked.packages.split(',')[0]}, unpacked in ${unpacked.root}`;
  return [{ bin: join(unpacked.root, 'usr/sbin'), source, env: unpacked.env }];
}

/**
 * @param {Found} found
 * @param {(port: number) => string} http
 * @param {StartOptions} options
 */
async function start({ bin, source, env }, http, { timeoutMs }) {
  const home = makeHome('session-test-nginx-');
  try {
    const port = await freePort();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${home.dir}/${name};`,
    );
    const config = home.file(
      'nginx.conf',
      `daemon off; master_process off; pid ${home.dir}/pid; error_log stderr notice;\nevents {}\n` +
        `http { access_log off; ${temporary.join(' ')}\n${http(port).replaceAll('$home', home.dir)}\n}\n`,
    );
    const { pid, end } = await launchServer(home, join(bin, 'nginx'), ['-e', 'stderr', '-p', home.dir, '-c', config], {
      env,
      timeoutMs,
      port,
      signals: ['SIGTERM'],
      ready: /start worker process|using the "\w+" event method/,
    });
    /** @type {Promise<void> | undefined} */
    let stopped;
    const stop = () => (stopped ??= end().then(() => home.remove()));
    return { url: `http://127.0.0.1:${port}`, source, port, pid, stop };
  } catch (error) {
    await home.remove();
    throw error;
  }
}
