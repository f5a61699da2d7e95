import { ensureInstalled } from './lib/up-to-date.mjs';
import { npm, run, runNode } from './lib/run.mjs';

/**
 * Installs what is missing, checks, builds and runs all tests. Arguments go to Jest. Without any, what clients see and what
 * reaches into TypeORM is tested a second time with a Redis Cluster behind every module and on TypeORM 0.3. TEST_REDIS=standalone
 * or cluster and TEST_TYPEORM=0.3 do that to any run.
 */
process.chdir(new URL('..', import.meta.url).pathname);
const AGAIN = [
  ...['test/sessions', 'test/nest', 'test/jwt', 'test/races/servers', 'test/processes/token-life'],
  ...['schema', 'migrate', 'prepared', 'transactions', 'sqlite', 'black-hole', 'typeorm-versions'].map(
    (name) => `test/database/${name}`,
  ),
];

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
const { TEST_REDIS, TEST_TYPEORM } = process.env;
if (given.length === 0 && !TEST_REDIS && !TEST_TYPEORM) {
  await jest(AGAIN, { TEST_REDIS: 'cluster', TEST_TYPEORM: '0.3' });
}
