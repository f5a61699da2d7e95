import { fork } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled } from './ensure-installed.mjs';
import { nodeProblem } from './node-version.mjs';

const SETTINGS = ['package.json', 'tsconfig.json'];

/** What is built. The output is written last, so that it is there for whole builds only. */
export const LIBRARY = {
  script: 'tools/build.mjs',
  output: 'dist/cjs/package.json',
  sources: ['lib', 'tsconfig.esm.json', 'tsconfig.cjs.json'],
};
export const SAMPLE = {
  script: 'tools/build-sample.mjs',
  output: 'dist-sample/.built',
  sources: ['sample-app', 'tsconfig.sample.json', 'nest-cli.json'],
};

/** Packages of the examples alone, so that nobody else waits for them. */
export const EXAMPLES = 'examples';

/** Installs what is missing or out of date, with the packages of the examples, in the working directory, which must be the project's. */
export function ensureInstalled() {
  return prepare('install', isInstalled() && isInstalled(EXAMPLES));
}

/** The same, and builds the library. */
export function prepareExample() {
  return prepare('example', isInstalled() && isInstalled(EXAMPLES) && !isOutdated(LIBRARY));
}

/** Installs without the examples, and builds the library. */
export function prepareLibrary() {
  return prepare('library', isInstalled() && !isOutdated(LIBRARY));
}

/** Installs without the examples, and builds. What that prints goes to stderr: stdout is for the program that comes after it. */
export function bringUpToDate() {
  return prepare('build', isInstalled() && !isOutdated(LIBRARY) && !isOutdated(SAMPLE));
}

/**
 * Prepares in a process group of its own, which ends with this process, however that ends (prepare.mjs). Exits this process where that
 * fails.
 */
function prepare(what, isDone) {
  const problem = nodeProblem();
  if (problem) {
    console.error(problem);
    process.exit(1);
  }
  if (isDone) return Promise.resolve();
  return new Promise((resolve) => {
    const options = { detached: true, windowsHide: true, execArgv: [], stdio: ['ignore', 2, 2, 'ipc'] };
    const child = fork('tools/prepare.mjs', [what], options);
    child.on('exit', (code) => (code === 0 ? resolve() : process.exit(code ?? 1)));
  });
}

/** A build that is missing, or older than anything that it is made of. */
export function isOutdated({ output, sources }) {
  return !existsSync(output) || statSync(output).mtimeMs < Math.max(...[...SETTINGS, ...sources].map(newest));
}

function newest(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
