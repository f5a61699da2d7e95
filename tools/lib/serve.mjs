import { spawn } from 'node:child_process';

/**
 * Prepares, then runs a program of Node.js in the foreground. Both end with this process: on a signal, and when npm has gone, which
 * starts this through a shell that dies of SIGTERM without passing it on.
 * @param prepare resolves with the path of the program
 */
export async function serve(prepare) {
  const parent = process.ppid;
  let stop = () => process.exit(1);
  if (process.env.npm_lifecycle_event) {
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      stop();
    }, 200);
    watch.unref();
  }

  const main = await prepare();
  const child = spawn(process.execPath, [main], { stdio: 'inherit' });
  stop = () => child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`${main} cannot be run: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}
