import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { dirsWith, entries, firstThatStarts, pathDirs } from './candidates.mjs';
import { launchServer, runInHome } from './child.mjs';
import { debianPackage } from './debian-package.mjs';
import { onFreePort } from './free-port.mjs';
import { makeHome } from './home.mjs';
import { run } from './identity.mjs';

/** @typedef {import('./candidates.mjs').TestServer} TestServer */
/** @typedef {import('./candidates.mjs').StartOptions} StartOptions */
/** @typedef {import('./candidates.mjs').Found} Found */

const NAMES = ['mariadbd', 'mysqld'];
const ADVICE =
  'What helps, any one of: install the package mariadb-server; on Debian or Ubuntu, network access to the package sources; ' +
  'set TEST_MARIADB_BIN to the directory that holds mariadbd. See tools/servers/README.md.';

/**
 * Starts a throw-away MariaDB server (or an installed MySQL) on a free port of 127.0.0.1, with its data in a temporary
 * directory. The user in the url may do everything, also create databases.
 *
 * @param {StartOptions} [options]
 * @returns {Promise<TestServer>}
 */
export function startMariadb(options = {}) {
  return firstThatStarts('MariaDB server', ADVICE, places(options), (found) => start(found, options));
}

/** @param {StartOptions} options @returns {Generator<import('./candidates.mjs').Place>} */
function* places({ env = process.env, from }) {
  const given = env.TEST_MARIADB_BIN;
  if (given && !from) {
    yield { place: `TEST_MARIADB_BIN=${given}`, final: true, find: () => inGiven(resolve(given)) };
  }
  const wanted = from ?? ['system', 'debian'];
  if (wanted.includes('system')) yield { place: 'PATH and the sbin directories', find: () => inSystem(env) };
  if (wanted.includes('debian')) {
    yield { place: 'package of this Debian or Ubuntu, unpacked in the cache directory', find: () => inDebian(env) };
  }
}

/** @param {string} dir @returns {Promise<Found[]>} */
async function inGiven(dir) {
  if (!NAMES.some((name) => dirsWith([dir], [name]).length > 0))
    throw new Error('this directory does not hold mariadbd');
  return [{ bin: dir, source: `TEST_MARIADB_BIN=${dir}` }];
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inSystem(env) {
  const dirs = [...pathDirs(env), '/usr/sbin', '/usr/local/sbin', '/usr/libexec'];
  const bins = new Set(NAMES.flatMap((name) => dirsWith(dirs, [name])));
  return [...bins].map((bin) => ({ bin, source: `installed in ${bin}` }));
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Found[]>} */
async function inDebian(env) {
  const programs = (/** @type {string} */ root) => [join(root, 'usr/sbin/mariadbd')].filter((file) => existsSync(file));
  const pattern = /^mariadb-server-core(-\d+\.\d+)?$/;
  const unpacked = await debianPackage({ name: 'mariadb', pattern, programs }, env);
  const source = `${unpacked.packages.split(',')[0]}, unpacked in ${unpacked.root}`;
  return [{ bin: join(unpacked.root, 'usr/sbin'), source, env: unpacked.env }];
}

/**
 * What mariadb-install-db does, without the helper programs it needs (my_print_defaults, resolveip) and without the help
 * tables: feeds the server's own SQL scripts to it.
 *
 * @param {string} base
 */
function systemTables(base) {
  const share = ['share/mysql', 'share/mariadb', 'share'].map((name) => join(base, name));
  const dir = share.find((path) => entries(path).some((file) => /\/(mysql|mariadb)_system_tables\.sql$/.test(file)));
  if (dir === undefined) throw new Error(`no SQL scripts of the server under ${base}/share`);
  const scripts = ['system_tables', 'performance_tables', 'system_tables_data'].map((name) => {
    const file = ['mariadb', 'mysql']
      .map((brand) => join(dir, `${brand}_${name}.sql`))
      .find((path) => existsSync(path));
    return file === undefined ? '' : readFileSync(file, 'utf8');
  });
  const start = ['CREATE DATABASE IF NOT EXISTS mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;'];
  return { sql: [...start, ...scripts].join('\n'), options: [`--lc-messages-dir=${dir}`] };
}

const INIT_FILE = `CREATE DATABASE IF NOT EXISTS test;
CREATE USER IF NOT EXISTS 'test'@'127.0.0.1';
GRANT ALL PRIVILEGES ON *.* TO 'test'@'127.0.0.1' WITH GRANT OPTION;
`;

/** @param {Found} found @param {StartOptions} options @returns {Promise<TestServer>} */
async function start({ bin, source, env }, { timeoutMs, cacheMb }) {
  const program = NAMES.map((name) => join(bin, name)).find((file) => existsSync(file)) ?? join(bin, 'mariadbd');
  const said = await run(program, ['--no-defaults', '--version'], { asServer: true, env: { ...process.env, ...env } });
  const isMariadb = /mariadb/i.test(said);
  const version = /Ver (\d[\d.]*(?:-MariaDB)?)/.exec(said)?.[1] ?? said.trim();
  const home = makeHome('session-test-my-');
  try {
    const how = { env, timeoutMs };
    const base = dirname(dirname(realpathSync(program)));
    const tables = isMariadb ? systemTables(base) : { sql: '', options: [] };
    const data = home.subdirectory('data');
    const common = [
      '--no-defaults',
      `--basedir=${base}`,
      `--datadir=${data}`,
      `--tmpdir=${home.dir}`,
      ...tables.options,
    ];
    const small = ['--loose-innodb-log-file-size=16M', '--innodb-buffer-pool-size=128M', '--innodb-doublewrite=0'];
    const fast = [...common, ...small, '--innodb-flush-log-at-trx-commit=0', '--loose-innodb-use-native-aio=0'];
    const setUp = isMariadb ? ['--bootstrap', '--log-warnings=0'] : ['--initialize-insecure'];
    await runInHome(home, program, [...fast, ...setUp], isMariadb ? { ...how, input: tables.sql } : how);
    const settings = [
      '--bind-address=127.0.0.1',
      `--socket=${join(home.dir, 'socket')}`,
      `--pid-file=${join(home.dir, 'pid')}`,
      `--init-file=${home.file('init.sql', INIT_FILE)}`,
      '--max-connections=300',
      '--character-set-server=utf8mb4',
      '--skip-name-resolve',
      '--skip-log-bin',
      '--performance-schema=OFF',
      '--innodb-fast-shutdown=2',
      '--loose-innodb-buffer-pool-dump-at-shutdown=OFF',
      ...(isMariadb ? [] : ['--mysqlx=OFF']),
      ...(cacheMb ? [`--innodb-buffer-pool-size=${cacheMb}M`] : []),
    ];
    return await onFreePort(async (port) => {
      const args = [...fast, ...settings, `--port=${port}`];
      const { pid, end } = await launchServer(home, program, args, {
        ...how,
        port,
        signals: ['SIGTERM'],
        ready: /ready for connections/,
      });
      /** @type {Promise<void> | undefined} */
      let stopped;
      const stop = () => (stopped ??= end().then(() => home.remove()));
      return { url: `mysql://test@127.0.0.1:${port}/test`, version, source, port, pid, stop };
    });
  } catch (error) {
    await home.remove();
    throw error;
  }
}
