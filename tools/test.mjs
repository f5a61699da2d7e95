import { ensureInstalled } from './lib/ensure-installed.mjs';
import { run, runNode } from './lib/run.mjs';

/** Installs what is missing, checks, builds and runs all tests. Arguments go to Jest. */
process.chdir(new URL('..', import.meta.url).pathname);
await ensureInstalled();
const npm = (...args) => run('npm', ['run', '--silent', ...args], { shell: process.platform === 'win32' });
await npm('check');
await npm('build');
await npm('build:sample');
await runNode('node_modules/jest/bin/jest.js', process.argv.slice(2), {
  nodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
});
