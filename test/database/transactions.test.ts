import { beforeAll, expect, it } from '@jest/globals';
import type { DataSourceOptions } from 'typeorm';
import { openDatabase } from 'lib/database.js';
import { type Script, effect, raw, sql } from 'lib/sql.js';
import { until } from '../support/until.js';
import { kindsOf } from '../support/databases.js';
import { START, type TestRepositories, describeRepository } from './repositories.js';

const OPTIONS = { lane: 'work', budgetMs: 20_000 } as const;

/** Rows of the change log, which are as good as any to be written. */
const rowsOf = ({ database: { engine, tables } }: TestRepositories) => ({
  run: <T>(script: () => Script<T>): Promise<T> => engine.transaction(script, OPTIONS),
  read: () => sql`SELECT version FROM ${tables.change}`,
  insert: (id: string, version: number) =>
    sql`INSERT INTO ${tables.change} (kind, id, version, realm, at) VALUES ('session', ${id}, ${version}, 'users', ${START})`,
});

describeRepository('a transaction', ({ node }) => {
  let rows: ReturnType<typeof rowsOf>;
  beforeAll(() => {
    rows = rowsOf(node);
  });
  const versionsOf = (id: string) => node.loggedVersions(id);

  it.each([
    ['after a read', true],
    ['at once', false],
  ])('comes to nothing where an effect fails, and says which: %s', async (when, reads) => {
    const script = function* (): Script<string> {
      if (reads) yield rows.read();
      yield effect(rows.insert(when, 1));
      yield effect(sql`INSERT INTO ${raw('nowhere_at_all')} (id) VALUES (1)`);
      yield effect(rows.insert(when, 2));
      return 'done';
    };
    const error = await rows.run(script).then(String, (reason: unknown) => reason as Error);
    expect(error).toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    expect(String((error as Error).cause)).toContain('nowhere_at_all');
    expect(await versionsOf(when)).toEqual([]);
  });

  it('comes to nothing where the script throws, and passes on what it throws', async () => {
    const thrown = new Error('no more');
    const script = function* (): Script<never> {
      yield rows.read();
      yield effect(rows.insert('thrown', 1));
      throw thrown;
    };
    await expect(rows.run(script)).rejects.toBe(thrown);
    expect(await versionsOf('thrown')).toEqual([]);
  });

  it('shows a script what its effects have done', async () => {
    const counts: number[] = [];
    await rows.run(function* (): Script<void> {
      yield rows.read();
      for (const version of [1, 2, 3]) {
        yield effect(rows.insert('seen', version));
        const { rows: found } = yield sql`${rows.read()} WHERE id = 'seen'`;
        counts.push(found.length);
      }
    });
    expect(counts).toEqual([1, 2, 3]);
    expect(await versionsOf('seen')).toEqual([1, 2, 3]);
  });

  it('has the results of its statements in order, whatever was sent before them', async () => {
    const seen = await rows.run(function* (): Script<number[]> {
      const values: number[] = [];
      for (const value of [10, 20, 30]) {
        yield effect(rows.insert('order', value));
        const { rows: found } = yield sql`SELECT ${raw(String(value))} AS value`;
        values.push(Number(found[0]!.value));
      }
      return values;
    });
    expect(seen).toEqual([10, 20, 30]);
  });
});

const onServers = ({ kind: { name }, database, node }: Parameters<Parameters<typeof describeRepository>[1]>[0]) => {
  let rows: ReturnType<typeof rowsOf>;
  beforeAll(() => {
    rows = rowsOf(node);
  });

  it('is run again where an effect meets a key that another has just taken', async () => {
    await node.login('alice');
    const { account } = node.database.tables;
    let runs = 0;
    const result = await rows.run(function* (): Script<number> {
      yield rows.read();
      const key = ++runs === 1 ? node.account('alice').key : 'another';
      yield effect(sql`INSERT INTO ${account} (user_key, realm, user_id, epoch, not_before, version, end_epoch, logins, created_at)
        VALUES (${key}, 'users', ${key}, 0, 0, 0, 0, 0, 0)`);
      yield effect(rows.insert('again', runs));
      return runs;
    });
    expect(result).toBe(2);
    expect(await node.loggedVersions('again')).toEqual([2]);
  });

  it('waits for a lock no longer than the change log is read again, whatever its budget', async () => {
    // A setting of the application's, or a pooler that leaves out what a connection asks for.
    const options = { ...database.options, ...(name === 'postgres' && { extra: { lock_timeout: 0 } }) };
    const lanes = { verify: 1, work: 1, control: 1, journal: 1 };
    for (const [budgetMs, seconds] of [
      [3000, 4],
      [3_600_000, 10],
    ] as const) {
      const { engine } = await openDatabase({
        source: options as DataSourceOptions,
        runMigrations: false,
        lanes,
        budgetMs,
      });
      const found = await engine.transaction(function* (): Script<unknown> {
        const setting = name === 'postgres' ? `current_setting('lock_timeout')` : '@@innodb_lock_wait_timeout';
        const { rows: answer } = yield raw(`SELECT ${setting} AS longest`);
        return answer[0]!.longest;
      }, OPTIONS);
      expect(String(found)).toBe(name === 'postgres' ? `${seconds}s` : String(seconds));
      await engine.close();
    }
  });

  it('attempts nothing while the process has other work for the row', async () => {
    const { engine } = node.database;
    const options = { ...OPTIONS, row: 'a row' };
    let [began, mayGo] = [0, false];
    const script = function* (): Script<number> {
      began++;
      while (!mayGo) yield sql`SELECT 1`;
      return began;
    };
    const first = engine.attempt(script, options);
    await until(() => began === 1);
    expect(await engine.attempt(script, options)).toBeNull();
    expect(began).toBe(1);
    mayGo = true;
    expect(await first).toBe(1);
    expect(await engine.attempt(script, options)).toBe(2);
  });

  // MariaDB would carry out what follows a statement that has failed.
  it(`${name === 'postgres' ? 'does not wait' : 'waits'} for an effect before it goes on`, async () => {
    await node.login('bob');
    const { engine, tables } = node.database;
    const { key } = node.account('bob');
    const lock = sql`SELECT epoch FROM ${tables.account} WHERE user_key = ${key}${engine.dialect.forUpdate()}`;
    let [isLocked, mayGo, wentOn] = [false, false, false];
    const other = engine.transaction(function* (): Script<void> {
      yield lock;
      isLocked = true;
      while (!mayGo) yield sql`SELECT 1`;
    }, OPTIONS);
    await until(() => isLocked);
    const one = rows.run(function* (): Script<void> {
      yield rows.read();
      yield effect(sql`UPDATE ${tables.account} SET epoch = 7 WHERE user_key = ${key}`);
      wentOn = true;
    });
    if (name === 'postgres') await until(() => wentOn);
    // On the same event loop, many turns of the other one later.
    for (let turn = 0; turn < 50; turn++) await engine.read(rows.read(), { lane: 'verify', budgetMs: 20_000 });
    expect(wentOn).toBe(name === 'postgres');
    mayGo = true;
    await Promise.all([one, other]);
    expect(wentOn).toBe(true);
    expect(await node.sessions.readAccount(node.account('bob'))).toMatchObject({ epoch: 7 });
  });
};
describeRepository('a transaction', onServers, kindsOf('postgres', 'mariadb'));
