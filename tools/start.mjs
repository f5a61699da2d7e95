import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './lib/run.mjs';

/**
 * Installs and builds what is missing or out of date, then runs the sample application in the project's directory. What
 * that prints goes to stderr: stdout is the application's.
 */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const parent = process.ppid;
const SETTINGS = ['package.json', 'tsconfig.json'];
const LIBRARY = { output: 'dist/cjs/package.json', sources: ['lib', 'tsconfig.esm.json', 'tsconfig.cjs.json'] };
const SAMPLE = { output: 'dist-sample/main.js', sources: ['sample-app', 'tsconfig.sample.json', 'nest-cli.json'] };

await quietly('-e', "import('./tools/lib/ensure-installed.mjs').then((module) => module.ensureInstalled())");
if (isOutdated(LIBRARY)) await quietly('tools/build.mjs');
if (isOutdated(SAMPLE)) await quietly('node_modules/@nestjs/cli/bin/nest.js', 'build');

const child = spawn(process.execPath, [SAMPLE.output], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
// npm starts this through a shell, which dies of SIGTERM without passing it on.
if (process.env.npm_lifecycle_event) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 200);
}
child.on('error', (error) => {
  console.error(`${SAMPLE.output} cannot be run: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));

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
