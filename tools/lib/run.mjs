import { spawn } from 'node:child_process';

/**
 * Runs a command in the foreground; resolves with 0, exits this process with the command's code otherwise.
 * @param options those of `spawn`, and `onFailure`, called before the exit
 */
export function run(command, args, { onFailure, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    child.on('error', (error) => {
      console.error(`${command} cannot be run: ${error.message}`);
      process.exit(1);
    });
    child.on('close', (code) => {
      if (code === 0) return resolve(0);
      onFailure?.();
      process.exit(code ?? 1);
    });
  });
}

/** The same for a script of Node.js. */
export function runNode(script, args = [], options = {}) {
  return run(process.execPath, [...(options.nodeArgs ?? []), script, ...args], options);
}

/** The same for a script of package.json. */
export function npm(script) {
  return run('npm', ['run', '--silent', script], { shell: process.platform === 'win32' });
}
