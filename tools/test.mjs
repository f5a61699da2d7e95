import { ensureInstalled } from './lib/ensure-installed.mjs';
import { npm, run, runNode } from './lib/run.mjs';

/**
 * Installs what is missing, checks, builds and runs all tests. Arguments go to Jest. Without any, what clients see is tested a
 * second time with a Redis Cluster behind every module; TEST_REDIS=standalone or cluster does that to any run.
 */
process.chdir(new URL('..', import.meta.url).pathname);
const AGAIN_WITH_REDIS = ['test/sessions', 'test/nest', 'test/jwt', 'test/races/servers', 'test/processes/token-life'];

await ensureInstalled();
const jest = (args, env = {}) =>
  run(
    process.execPath,
    ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js', ...args],
    { env: { ...process.env, ...env } },
  );
const given = process.argv.slice(2);
await npm('check');
await npm('build');
await npm('build:sample');
await runNode('tools/bundle.mjs');
await jest(given);
if (given.length === 0 && !process.env.TEST_REDIS) await jest(AGAIN_WITH_REDIS, { TEST_REDIS: 'cluster' });
