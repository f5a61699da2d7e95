import { basename, dirname, join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { firstThatStarts, isExecutable, pathDirs } from './candidates.mjs';
import { debianPackage } from './debian-package.mjs';
import { fontConfig } from './fonts.mjs';
import { makeHome } from './home.mjs';

/**
 * @typedef {object} TestBrowser A running headless Chromium for the tests.
 * @property {string} url what Playwright connects to; each connection has contexts of its own
 * @property {string} version
 * @property {string} source where the program came from, for people
 * @property {() => Promise<void>} stop ends its processes and removes its data; may be called more than once
 */

/** @typedef {{ file: string, source: string, env?: Record<string, string> }} Program */
/** @typedef {import('./candidates.mjs').StartOptions} StartOptions */

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const HEADLESS_NAMES = ['chromium-headless-shell', 'chrome-headless-shell', 'headless_shell'];
const ON_MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
const ADVICE =
  'What helps, any one of: install the package chromium, or Google Chrome; on Debian, network access to the package ' +
  'sources; set TEST_CHROMIUM_BIN to a Chromium or Chrome, or to the directory that holds it. See tools/servers/README.md.';

/** A machine without a font shows boxes, or nothing at all: Latin letters, signs, Chinese characters. */
const FONTS = ['fonts-liberation', 'fonts-dejavu-core', 'fonts-wqy-microhei'];

/** No name is looked up and no proxy is asked: a page reaches this machine and nothing else. */
const ARGS = [
  '--disable-dev-shm-usage', // containers give it 64 MB
  '--disable-gpu',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/**
 * Starts a headless Chromium with a home directory of its own.
 *
 * @param {StartOptions} [options] `npm` offers none
 * @returns {Promise<TestBrowser>}
 */
export function startChromium(options = {}) {
  return firstThatStarts('Chromium', ADVICE, places(options), (program) => start(program, options));
}

/** @param {StartOptions} options @returns {Generator<import('./candidates.mjs').Place<Program>>} */
function* places({ env = process.env, from }) {
  const given = env.TEST_CHROMIUM_BIN;
  if (given && !from) {
    yield { place: `TEST_CHROMIUM_BIN=${given}`, final: true, find: async () => inGiven(resolve(given)) };
  }
  const wanted = from ?? ['system', 'debian'];
  if (wanted.includes('system')) yield { place: 'PATH and the usual directories', find: async () => inSystem(env) };
  if (!wanted.includes('debian')) return;
  // The headless shell needs half of the libraries; older releases do not have it.
  for (const name of ['chromium-headless-shell', 'chromium']) {
    yield { place: `package ${name} of this Debian, unpacked in the cache directory`, find: () => inDebian(name, env) };
  }
}

/** @param {string} path @returns {Program[]} */
function inGiven(path) {
  const names = [...NAMES, ...HEADLESS_NAMES];
  const file = [path, ...names.map((name) => join(path, name))].find(isExecutable);
  if (file === undefined) throw new Error(`this is not a program, and no directory that holds ${names.join(' or ')}`);
  return [{ file, source: `TEST_CHROMIUM_BIN=${path}` }];
}

/** @param {NodeJS.ProcessEnv} env @returns {Program[]} */
function inSystem(env) {
  const dirs = [...pathDirs(env), '/usr/bin', '/usr/local/bin', '/opt/google/chrome'].filter((dir) => dir !== '');
  const paths = [...NAMES, ...HEADLESS_NAMES].flatMap((name) => dirs.map((dir) => join(dir, name)));
  const files = [...paths, ON_MAC].filter(isExecutable).map(behindWrapper);
  return [...new Set(files)].map((file) => ({ file, source: `installed as ${file}` }));
}

/** In Debian /usr/bin/chromium is a script that adds the flags of /etc/chromium.d. @param {string} file */
function behindWrapper(file) {
  const real = join(dirname(file), '../lib/chromium', basename(file));
  return isExecutable(real) ? real : file;
}

/** @param {string} name of the package and of its program @param {NodeJS.ProcessEnv} env @returns {Promise<Program[]>} */
async function inDebian(name, env) {
  const file = (/** @type {string} */ root) => join(root, 'usr/lib/chromium', name);
  const { root, packages, ...found } = await debianPackage(
    {
      name,
      pattern: new RegExp(`^${name}$`),
      programs: (unpacked) => [file(unpacked)].filter(isExecutable),
      with: ['chromium-common', ...FONTS],
      private: ['pulseaudio', 'nss'],
    },
    env,
  );
  const source = `${packages.split(',')[0]}, unpacked in ${root}`;
  return [{ file: file(root), source, env: { ...found.env, FONTCONFIG_FILE: fontConfig(root) } }];
}

/** @param {Program} program @param {StartOptions} options @returns {Promise<TestBrowser>} */
async function start({ file, source, env }, { timeoutMs = 60_000 }) {
  const home = makeHome('session-test-browser-');
  try {
    const server = await chromium.launchServer({
      executablePath: file,
      args: ARGS,
      chromiumSandbox: false, // does not work for root, nor in most containers
      timeout: timeoutMs,
      env: { ...process.env, XDG_CONFIG_HOME: '', XDG_CACHE_HOME: '', ...env, HOME: home.dir, TMPDIR: home.dir },
    });
    /** @type {Promise<void> | undefined} */
    let stopped;
    const stop = () => (stopped ??= server.close().finally(() => home.remove()));
    const url = server.wsEndpoint();
    const browser = await chromium.connect(url);
    const version = browser.version();
    await browser.close();
    return { url, version, source, stop };
  } catch (error) {
    await home.remove();
    throw error;
  }
}
