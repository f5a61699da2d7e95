import { describe, expect, it } from '@jest/globals';
import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm';
import { type BootLimits, openDatabase } from 'lib/database.js';
import { dialectOf } from 'lib/dialect.js';
import { migrate } from 'lib/migrate.js';
import { kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { onServer } from '../support/migrated-database.js';
import { startSessions } from '../support/sessions.js';
import { useDatabase } from '../support/use-database.js';

const SHORT: BootLimits = { connectMs: 500, lockMs: 300, migrationsMs: 500, closeMs: 100 };
const LANES = { verify: 1, work: 1, control: 1, journal: 1 };
/** More replies than a boot has that finds its tables made. */
const ALL_REPLIES = 40;

describe.each(kindsOf('postgres', 'mariadb'))('the boot on $name', (kind) => {
  const { name, create } = kind;
  const database = useDatabase(kind);

  const connect = async () => {
    const other = await new DataSource({ ...database.options, poolSize: 1 } as DataSourceOptions).initialize();
    database.atEnd(() => other.destroy());
    return other;
  };
  const open = (settings: Partial<Parameters<typeof openDatabase>[0]> = {}) =>
    openDatabase({
      source: database.options,
      runMigrations: true,
      lanes: LANES,
      budgetMs: 500,
      limits: SHORT,
      ...settings,
    });
  const [tryLock, unlock] =
    name === 'postgres'
      ? ['pg_try_advisory_lock(7305221901)', 'pg_advisory_unlock(7305221901)']
      : [
          `GET_LOCK(CONCAT('latchkey_migration.', DATABASE()), 0)`,
          `RELEASE_LOCK(CONCAT('latchkey_migration.', DATABASE()))`,
        ];
  const ask = async (source: DataSource, what: string) =>
    Number(((await source.query(`SELECT ${what} AS answer`)) as { answer: unknown }[])[0]!.answer);

  it('works where the application allows its own pool one connection', async () => {
    const empty = await create({ empty: true });
    const given = {
      ...empty.options,
      poolSize: 1,
      extra: name === 'postgres' ? { max: 1 } : { connectionLimit: 1 },
    } as DataSourceOptions;
    const sessions = await startSessions({ database: given });
    const logins = await Promise.all(['alice', 'bob', 'carol'].map((user) => sessions.tokens.login(user)));
    expect(logins).toHaveLength(3);
    // It says nothing of the library's pool.
    const [open] = await onServer(name as 'postgres' | 'mariadb', empty.url, (query) =>
      query(
        name === 'postgres'
          ? 'SELECT COUNT(*) AS count FROM pg_stat_activity WHERE datname = current_database()'
          : 'SELECT COUNT(*) AS count FROM information_schema.processlist WHERE db = DATABASE()',
      ),
    );
    expect(Number(open!.count)).toBeGreaterThan(2);
    await sessions.close();
    await empty.drop();
  });

  it('asks the primary, and no replica', async () => {
    const gone = { ...database.options, url: `${name}://127.0.0.1:1/gone` };
    const replication = { master: database.options, slaves: [gone] };
    const { tokens } = await database.start({ database: { type: name, replication } as unknown as DataSourceOptions });
    expect(await tokens.login('alice')).toBeDefined();
  });

  it('ends with an error where another process holds the lock of the migrations for ever, and works without it', async () => {
    const other = await connect();
    expect(await ask(other, tryLock)).toBe(1);
    await expect(open()).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/lock of SessionModule's migrations.*"runMigrations"/s) as unknown,
    });
    await ask(other, unlock);
    await (await open()).engine.close();
    // It was given back.
    expect(await ask(other, tryLock)).toBe(1);
  });

  it('ends with an error where a table cannot be changed, and leaves no lock behind', async () => {
    const other = await connect();
    await other.query('DELETE FROM latchkey_migration');
    await other.query(
      name === 'postgres'
        ? 'BEGIN; LOCK TABLE latchkey_migration, latchkey_session IN ACCESS EXCLUSIVE MODE'
        : 'LOCK TABLES latchkey_migration WRITE',
    );
    await expect(open({ limits: { ...SHORT, migrationsMs: 60_000 } })).rejects.toThrow(/lock|timeout/i);
    expect(await ask(other, tryLock)).toBe(1);
  });

  it('lets a migration take longer than a statement of a request may', async () => {
    class Slow1700000000000 {
      up = (runner: QueryRunner) => runner.query(name === 'postgres' ? 'SELECT pg_sleep(0.3)' : 'SELECT SLEEP(0.3)');
      down = () => Promise.resolve();
    }
    const limited = { ...database.options, poolSize: 1, extra: name === 'postgres' ? { statement_timeout: 100 } : {} };
    const source = new DataSource({ ...limited, migrations: [Slow1700000000000] } as DataSourceOptions);
    await source.initialize();
    database.atEnd(() => source.destroy());
    await migrate(source, dialectOf(name));
    expect(await source.query('SELECT name FROM migrations')).toEqual([{ name: Slow1700000000000.name }]);
    if (name === 'postgres') {
      expect(await source.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '100ms' }]);
    }
  });

  it('ends with an error wherever the server falls silent', async () => {
    let silentFrom = 0;
    let replies = 0;
    const proxy = await TcpProxy.start(portOf(database), () => ({
      reply: (chunk) => (++replies > silentFrom ? Buffer.alloc(0) : chunk),
    }));
    const source = throughPort(database, proxy.port);
    for (let isWhole = false; !isWhole; silentFrom++) {
      expect(silentFrom).toBeLessThan(ALL_REPLIES);
      replies = 0;
      const opened = await open({ source }).catch((error: unknown) => error);
      isWhole = !(opened instanceof Error);
      if (isWhole) await (opened as Awaited<ReturnType<typeof open>>).engine.close();
    }
    await proxy.close();
  });
});
