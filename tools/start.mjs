import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SAMPLE, bringUpToDate } from './lib/up-to-date.mjs';

/** Installs and builds what is missing or out of date, then runs the sample application in the project's directory. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const parent = process.ppid;

await bringUpToDate();

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
