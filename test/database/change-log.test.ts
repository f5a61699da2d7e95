import { beforeEach, expect, it, jest } from '@jest/globals';
import { ChangeLog } from 'lib/change-log.js';
import type { Engine } from 'lib/engine.js';
import type { LogPosition, SessionChange } from 'lib/node-registry.js';
import { type QueryResult, type Row, type Script, Statement, join, list, raw, sql } from 'lib/sql.js';
import type { DataSource, QueryRunner } from 'typeorm';
import { describeRepository } from './repositories.js';

const OPTIONS = { lane: 'control', budgetMs: 20_000 } as const;
/** How far back a locking read goes behind the one before. */
const REACH = 30_000;

describeRepository('the change log', ({ kind, database, clock, node, other }) => {
  const isExact = kind.name === 'postgres';
  let rowsRead: number;
  let log: ChangeLog;
  let position: LogPosition | null;

  /** @param options @param engine overrides calls of the node's */
  const logOf = (realm = 'users', options: { budgetMs: number } = OPTIONS, engine: Partial<Engine> = {}) => {
    const own = node.database.engine;
    const parts = {
      dialect: own.dialect,
      read: own.read.bind(own),
      write: own.write.bind(own),
      transaction: own.transaction.bind(own),
      ...engine,
    };
    return ChangeLog.of({ engine: parts, tables: node.database.tables, realm, options: { ...OPTIONS, ...options } });
  };

  beforeEach(async () => {
    position = null;
    rowsRead = 0;
    clock.advance(10 * REACH);
    await node.write(sql`DELETE FROM ${node.database.tables.change}`);
    const { engine } = node.database;
    const counting: Engine['transaction'] = (script, options) =>
      engine.transaction(function* () {
        const running = script();
        for (let step = running.next(); ;) {
          if (step.done) return step.value;
          const result: QueryResult = yield step.value;
          rowsRead += result.rows.length;
          step = running.next(result);
        }
      }, options);
    log = logOf('users', OPTIONS, { transaction: counting });
  });

  const insert = (name: string, at: number, values: readonly number[] = [0]) => {
    const rows = values.map((index) => sql`(${list(['session', `${name}-${index}`, 2, 'users', at])})`);
    return sql`INSERT INTO ${node.database.tables.change} (kind, id, version, realm, at) VALUES ${join(rows, ', ')}`;
  };

  /** Changes of so many sessions, `<name>-<number>`. */
  async function commit(name: string, { at = clock.now(), count = 1 } = {}): Promise<void> {
    for (let from = 0; from < count; from += 500) {
      const numbers = Array.from({ length: Math.min(500, count - from) }, (_, index) => from + index);
      await node.write(insert(name, at, numbers));
    }
  }

  const moment = () => ({ now: clock.now(), server: '' });
  const read = async (of = log): Promise<readonly SessionChange[]> => {
    const reading = await of.read(position, moment());
    position = reading.position;
    return reading.changes;
  };
  const told = async (of = log) => (await read(of)).map(({ sessionId }) => sessionId).sort();

  it('tells of what is new since a position, and of all from the start', async () => {
    await commit('old', { at: clock.now() - 5 * REACH });
    await commit('a');
    expect(await told()).toEqual(['a-0', 'old-0']);
    const early = position;
    await commit('b');
    expect(await told()).toEqual(isExact ? ['b-0'] : ['a-0', 'b-0']);
    position = early;
    expect(await told()).toContain('b-0');
    position = null;
    expect(await told()).toEqual(['a-0', 'b-0', 'old-0']);
  });

  it('tells of nothing twice while it is long, and of everything that comes, also behind what is known', async () => {
    const then = clock.now();
    await commit('a', { count: 400 });
    clock.advance(1000);
    await commit('b', { count: 400 });
    expect(await told()).toHaveLength(800);
    rowsRead = 0;
    expect(await told()).toEqual([]);
    expect(rowsRead).toBeLessThan(5);
    await commit('late', { at: then });
    await commit('new', { count: 2 });
    const found = await told();
    expect(found).toEqual(expect.arrayContaining(['late-0', 'new-0', 'new-1']));
    expect(await told()).toEqual([]);
  });

  it('tells of what comes late again and again, as far back as a change may be dated', async () => {
    await read();
    clock.advance(500);
    await commit('late', { at: clock.now() - REACH + 2000 });
    expect(await told()).toEqual(['late-0']);
  });

  it('is no other for a poll whose answer was lost', async () => {
    await read();
    await commit('a');
    const before = position;
    await read();
    position = before;
    expect(await told()).toEqual(['a-0']);
  });

  it('of another realm is not told', async () => {
    await commit('a', { count: 3 });
    expect(await told(logOf('others'))).toEqual([]);
  });

  it('never passes by a transaction that commits later than others that began after it', async () => {
    await read();
    const [late, hasty] = [await openTransaction(await database.connect()), logOf('users', { budgetMs: 300 })];
    await late.write(insert('late', clock.now()));
    for (let time = 0; time < 3; time++) {
      if (kind.name === 'sqlite') {
        await expect(hasty.read(position, moment())).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
        continue;
      }
      await commit(`other ${time}`);
      if (isExact) expect(await told()).toEqual([`other ${time}-0`]);
      else await expect(hasty.read(position, moment())).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
      clock.advance(REACH);
    }
    await late.end('COMMIT');
    expect(await told()).toContain('late-0');
  });

  it('is purged of what was seen, and of nothing else', async () => {
    await commit('a', { count: 700 });
    const late = kind.name === 'sqlite' ? null : await openTransaction(await database.connect());
    if (isExact) await late!.write(insert('late', clock.now()));
    await commit('later');
    await read();
    const seen = position!;
    clock.advance(REACH + 1000);
    await commit('b');
    await late?.end('COMMIT');
    await logOf('others').purge(seen);
    await log.purge(seen);
    position = null;
    // The others may not have seen all of the last moments.
    if (isExact) expect(await told()).toEqual(['b-0', 'late-0']);
    else expect(await told()).toHaveLength(702);
    clock.advance(REACH);
    await read();
    await log.purge(position!);
    position = null;
    expect(await told()).toEqual(isExact ? [] : ['b-0']);
  });

  /** A transaction that ends when the test says so. */
  async function openTransaction(source: DataSource) {
    const runner = source.createQueryRunner();
    await runner.query(kind.name === 'mariadb' ? 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED' : 'SELECT 1');
    await runner.query(kind.name === 'sqlite' ? 'BEGIN IMMEDIATE' : 'START TRANSACTION');
    database.atEnd(() => runner.isReleased || runner.release());
    return {
      write: (statement: Statement) => perform(runner, statement),
      end: async (how: 'COMMIT' | 'ROLLBACK') => {
        await runner.query(how);
        await runner.release();
      },
    };
  }

  async function perform(runner: QueryRunner, statement: Statement): Promise<QueryResult> {
    const text = statement.render((place) => node.database.engine.dialect.placeholder(place));
    const result = await runner.query(text, [...statement.values], true);
    return { rows: (result.records ?? []) as Row[], affected: result.affected ?? 0 };
  }

  if (kind.name === 'mariadb') {
    it('is read under locks that no writer waits for', async () => {
      const { id } = await node.login('alice');
      const runner = (await database.connect()).createQueryRunner();
      /** As a poll that has got its rows and never ends. */
      const held = async <T>(script: () => Script<T>): Promise<T> => {
        for (const statement of node.database.engine.dialect.begin({ lockWaitMs: 1000, idleMs: 60_000 })) {
          await perform(runner, statement);
        }
        const running = script();
        let step = running.next();
        while (!step.done) step = running.next(await perform(runner, step.value as Statement));
        return step.value;
      };
      await commit('a', { count: 5 });
      await read(logOf('users', OPTIONS, { transaction: held }));
      await node.sessions.endSession(id, { reason: 'SESSION_KICKED', by: 'root' });
      expect(await node.loggedVersions(id)).toEqual([2]);
      await runner.query('ROLLBACK');
      await runner.release();
    });
  }

  it('is read and purged beside writers: none of them has to try again, and no change is missed', async () => {
    const tries = [node, other].map(({ database: { engine } }) => jest.spyOn(engine.dialect, 'isTransient'));
    const [writers, each] = [4, 15];
    const ids: string[] = [];
    for (let user = 0; user < writers * each; user++) ids.push((await node.login(`writer ${user}`)).id);
    const found = new Set<string>();
    let isOver = false;
    const polls = async () => {
      for (let isLast = false; !isLast;) {
        isLast = isOver;
        for (const id of await told()) found.add(id);
        await log.purge(position!);
      }
    };
    const polling = polls();
    const write = async (writer: number) => {
      for (let one = 0; one < each; one++) {
        await other.sessions.endSession(ids[writer * each + one]!, { reason: 'SESSION_KICKED', by: 'root' });
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    isOver = true;
    await polling;
    expect([...found].sort()).toEqual([...ids].sort());
    // On SQLite they take turns by trying again.
    const again = tries.flatMap(({ mock }) => mock.results.filter(({ value }) => value === true));
    if (kind.name !== 'sqlite') expect(again).toEqual([]);
    for (const spy of tries) spy.mockRestore();
  });

  if (isExact) {
    it('is read as a whole where another server answers, or one that has forgotten commits', async () => {
      await commit('a');
      await read();
      const known = position as LogPosition & { readonly xmax: string };
      for (const other of [{ server: 'another' }, { xmax: String(Number(known.xmax) + 1_000_000) }]) {
        position = { ...known, ...other };
        expect(await told()).toEqual(['a-0']);
        expect(position!.server).toBe(known.server);
      }
    });

    it('is purged of rows that came from another server, as by a dump', async () => {
      const { change } = node.database.tables;
      await commit('foreign');
      await node.write(sql`UPDATE ${change} SET xid = '9000000000000000000'`);
      await commit('own');
      await read();
      await log.purge({ ...position!, ...{ xmax: '1', underWay: [] } });
      position = null;
      expect(await told()).toEqual(['own-0']);
    });

    it('reads no more, and keeps no more, while a transaction elsewhere stays open', async () => {
      const idle = await openTransaction(await database.connect());
      await idle.write(raw('SELECT pg_current_xact_id()'));
      await read();
      const ages: number[] = [];
      for (let round = 0; round < 20; round++) {
        await commit(`round ${round}`, { count: 10 });
        rowsRead = 0;
        const reading = await log.read(position, moment());
        expect(reading.changes).toHaveLength(10);
        // The snapshot beside them.
        expect(rowsRead).toBe(11);
        position = reading.position;
        ages.push(reading.oldestWriteMs!);
        await log.purge(position);
      }
      // Other tests have transactions on this server, which may be older for a while.
      expect(Math.min(...ages)).toBeGreaterThan(0);
      const [row] = await node.rows(sql`SELECT COUNT(*) AS left_over FROM ${node.database.tables.change}`);
      expect(Number(row!.left_over)).toBe(0);
      await idle.end('ROLLBACK');
    });
  }
});
