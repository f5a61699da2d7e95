import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

const SETTINGS = ['package.json', 'tsconfig.json'];
const LIBRARY = { output: 'dist/cjs/package.json', sources: ['lib', 'tsconfig.esm.json', 'tsconfig.cjs.json'] };

/** The sample application, as it is built. */
export const SAMPLE = {
  output: 'dist-sample/main.js',
  sources: ['sample-app', 'tsconfig.sample.json', 'nest-cli.json'],
};

/**
 * Installs and builds what is missing or out of date, in the working directory, which must be the project's. What that prints
 * goes to stderr: stdout is for the program that comes after it.
 */
export async function bringUpToDate() {
  await quietly('-e', "import('./tools/lib/ensure-installed.mjs').then((module) => module.ensureInstalled())");
  if (isOutdated(LIBRARY)) await quietly('tools/build.mjs');
  if (isOutdated(SAMPLE)) await quietly('node_modules/@nestjs/cli/bin/nest.js', 'build');
}

function quietly(...args) {
  return run(process.execPath, args, { stdio: ['inherit', 2, 2] });
}

/** Whether a build is missing, or older than anything that it is made of. */
function isOutdated({ output, sources }) {
  return !existsSync(output) || statSync(output).mtimeMs < Math.max(...[...SETTINGS, ...sources].map(newest));
}

function newest(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
