import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bringUpToDate } from './lib/up-to-date.mjs';

/** Installs and builds what is missing or out of date, then runs the sample application in the project's directory. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const MAIN = 'dist-sample/main.js';
const parent = process.ppid;
let stop = () => process.exit(1);

// npm starts this through a shell, which dies of SIGTERM without passing it on.
if (process.env.npm_lifecycle_event) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop();
  }, 200);
  watch.unref();
}

await bringUpToDate();

const child = spawn(process.execPath, [MAIN], { stdio: 'inherit' });
stop = () => child.kill('SIGTERM');
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`${MAIN} cannot be run: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
