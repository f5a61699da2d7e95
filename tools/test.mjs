import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled } from './lib/up-to-date.mjs';
import { npm, run, runNode } from './lib/run.mjs';

/**
 * Runs tests; arguments go to Jest. By the first argument:
 *
 * - `unit`: only what needs no server, no other process and no build.
 * - `soak`: what searches or races, at full size and on every database, and a second time with a Redis Cluster behind every module.
 * - neither: checks, builds and runs all tests, and what reaches into TypeORM a second time on TypeORM 0.3.
 *
 * TEST_REDIS=standalone or cluster, TEST_TYPEORM=0.3 and TEST_SIZE=soak do that to any run.
 */
process.chdir(new URL('..', import.meta.url).pathname);
/** Whatever reaches into TypeORM. */
const ON_TYPEORM = ['schema', 'migrate', 'prepared', 'transactions', 'sqlite', 'black-hole', 'typeorm-versions'].map(
  (name) => `test/database/${name}`,
);
/** Whatever clients see. */
const WITH_REDIS = ['test/sessions', 'test/nest', 'test/jwt', 'test/races/servers', 'test/processes/token-life'];

const jest = (args, env = {}) =>
  run(
    process.execPath,
    ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js', ...args],
    { env: { ...process.env, ...env } },
  );
const FULL = { TEST_SIZE: 'soak' };
const sized = () =>
  readdirSync('test', { recursive: true })
    .map((name) => join('test', name))
    .filter(
      (path) =>
        path.endsWith('.test.ts') && readFileSync(path, 'utf8').match(/support\/size\.js|serviceKinds|processKinds/),
    );

async function build(...options) {
  await runNode('tools/build.mjs', options);
  await npm('build:sample');
  await runNode('tools/bundle.mjs');
}

await ensureInstalled();
const [tier, ...rest] = process.argv.slice(2);
if (tier === 'unit') {
  await jest([...rest, '--testMatch', '**/*.unit.test.ts'], { TEST_SERVERS: 'none' });
} else if (tier === 'soak') {
  await build();
  await jest(rest.length > 0 ? rest : sized(), FULL);
  if (rest.length === 0)
    await jest([...WITH_REDIS, ...ON_TYPEORM], { ...FULL, TEST_REDIS: 'cluster', TEST_TYPEORM: '0.3' });
} else {
  await npm('check');
  await build('--noCheck');
  const given = process.argv.slice(2);
  await jest(given);
  const { TEST_REDIS, TEST_TYPEORM } = process.env;
  if (given.length === 0 && !TEST_REDIS && !TEST_TYPEORM) await jest(ON_TYPEORM, { TEST_TYPEORM: '0.3' });
}
