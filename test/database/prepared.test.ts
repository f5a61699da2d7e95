import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSource, DataSourceOptions, Logger } from 'typeorm';
import { raw } from 'lib/sql.js';
import { kindsOf } from '../support/databases.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { START, TestRepositories } from './repositories.js';

const TABLES = ['latchkey_session', 'latchkey_account', 'latchkey_data'];
const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;

const [POSTGRES] = kindsOf('postgres');

/** A connection has told all that it has counted when it is gone. */
async function isAlone(client: DataSource): Promise<void> {
  const others = 'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';
  await until(async () => (await client.query<unknown[]>(others)).length === 0);
}

describe('statements that PostgreSQL keeps for a connection', () => {
  const database = useDatabase(POSTGRES!);
  let node: TestRepositories;
  beforeEach(async () => {
    node = await TestRepositories.open(database);
  });
  afterEach(() => node.close());

  /** All of them on the one connection that is in use when nothing is done at the same time. */
  const logInAndKick = async (times: number) => {
    for (let time = 0; time < times; time++) {
      const { id } = await node.login('alice');
      expect(await node.sessions.endSession(id, KICK)).not.toBeNull();
    }
  };
  const kept = async () => {
    const rows = await node.rows(raw(`SELECT name, statement FROM pg_prepared_statements ORDER BY name`));
    return rows.map(({ name, statement }) => ({ name: String(name), statement: String(statement) }));
  };

  it('are those of logins and ends, once they come again and again', async () => {
    expect(await kept()).toEqual([]);
    await logInAndKick(3);
    const texts = (await kept()).map(({ statement }) => statement.replaceAll(/\s+/g, ' '));
    for (const begin of [
      'INSERT INTO "latchkey_session" (',
      'SELECT user_id, epoch',
      'WITH own AS (UPDATE "latchkey_session" SET status',
    ]) {
      expect(texts.filter((text) => text.startsWith(begin))).toHaveLength(1);
    }
    const count = texts.length;
    await logInAndKick(10);
    expect(await kept()).toHaveLength(count);
  });

  it('are the same for ends of any number of sessions in one step, and others for one', async () => {
    const endSome = async (count: number) => {
      const ids: string[] = [];
      while (ids.length < count) ids.push((await node.login(`user-${ids.length}`)).id);
      expect(await node.sessions.endSessions(ids, KICK)).toHaveLength(count);
    };
    for (let time = 0; time < 3; time++) await endSome(1);
    const known = (await kept()).map(({ statement }) => statement);
    for (const count of [2, 3, 7]) for (let time = 0; time < 3; time++) await endSome(count);
    const texts = (await kept()).map(({ statement }) => statement);
    for (const begin of [
      'UPDATE "latchkey_session" SET status',
      'DELETE FROM "latchkey_data"',
      'INSERT INTO "latchkey_change"',
    ]) {
      expect(known.filter((text) => text.startsWith(begin))).toHaveLength(1);
      expect(texts.filter((text) => text.startsWith(begin))).toHaveLength(2);
    }
  });

  it('are not shown to a logger of the application, which may take them for text', async () => {
    const shown: unknown[] = [];
    const show = (query: unknown) => void shown.push(query);
    const logger = { ...console, logQuery: show, logQueryError: show, logQuerySlow: show } as unknown as Logger;
    await node.close();
    const options = { ...database.options, logging: true, logger, maxQueryExecutionTime: 1 } as DataSourceOptions;
    node = await TestRepositories.open({ ...database, options });
    await logInAndKick(5);
    expect(shown).toEqual([]);
  });

  it('may be lost, as behind a pooler that changes connections: nothing fails, and it goes on without', async () => {
    await logInAndKick(3);
    await node.rows(raw('DEALLOCATE ALL'));
    await logInAndKick(4);
    expect(await kept()).toEqual([]);
  });

  it('may be lost by several connections at the same time', async () => {
    const parallel = Array.from({ length: 8 }, (_, index) => `user-${index}`);
    const logInAll = () => Promise.all(parallel.map((user) => node.login(user)));
    for (let time = 0; time < 4; time++) await logInAll();
    // Long enough for each to be on a connection of its own.
    await Promise.all(parallel.map(() => node.rows(raw('DEALLOCATE ALL; SELECT pg_sleep(0.1)'))));
    expect(await logInAll()).toHaveLength(8);
  });

  it('may be there already, as behind a pooler that shares connections', async () => {
    await logInAndKick(3);
    const names = (await kept()).map(({ name }) => name);
    await node.close();
    node = await TestRepositories.open(database);
    for (const name of names) await node.rows(raw(`PREPARE ${name} AS SELECT 1`));
    await logInAndKick(4);
    expect((await kept()).map(({ statement }) => statement)).toEqual(
      names.map((name) => expect.stringContaining(`PREPARE ${name} AS SELECT 1`)),
    );
  });

  it('may return another type after a migration than before', async () => {
    await logInAndKick(3);
    await node.write(raw('ALTER TABLE latchkey_account ALTER COLUMN bans TYPE varchar(4000)'));
    await logInAndKick(4);
  });

  it('are planned as for large tables, however small these are at first', async () => {
    await logInAndKick(1);
    // From now on they are known to be of one page, which is read from end to end sooner than by an index.
    for (const table of TABLES) await node.write(raw(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`));
    for (const table of TABLES) await node.write(raw(`ANALYZE ${table}`));
    const client = await database.connect();
    await client.query('SELECT pg_stat_reset()');
    await logInAndKick(12);
    await node.close();
    await isAlone(client);
    const rows = await client.query<{ relname: string; seq_scan: string; idx_scan: string }[]>(
      'SELECT relname, seq_scan, idx_scan FROM pg_stat_user_tables',
    );
    node = await TestRepositories.open(database);
    const used = rows.filter(({ relname }) => TABLES.includes(relname));
    expect(used.map(({ seq_scan }) => Number(seq_scan))).toEqual([0, 0, 0]);
    expect(used.every(({ idx_scan }) => Number(idx_scan) > 0)).toBe(true);
  });
});

describe('a table on PostgreSQL of which there are no statistics', () => {
  const database = useDatabase(POSTGRES!);
  let client: DataSource;
  beforeEach(async () => {
    client = await database.connect();
    await client.query('ALTER TABLE latchkey_session SET (autovacuum_enabled = off)');
  });

  const pathsOf = async (work: (node: TestRepositories) => Promise<void>) => {
    await client.query('SELECT pg_stat_reset()');
    const node = await TestRepositories.open(database);
    try {
      await work(node);
    } finally {
      await node.close();
    }
    await isAlone(client);
    const rows = await client.query<{ name: string; read: string }[]>(
      `SELECT indexrelname AS name, idx_tup_read AS read FROM pg_stat_user_indexes WHERE relname = 'latchkey_session'
       UNION ALL SELECT 'the table', seq_tup_read FROM pg_stat_user_tables WHERE relname = 'latchkey_session'`,
    );
    return rows.filter((row) => Number(row.read) > 0).map(({ name }) => name);
  };

  it('is read by the id of a session and by its account, and by no index of all that is live', async () => {
    const ids: string[] = [];
    const afterLogins = await pathsOf(async (node) => {
      for (let index = 0; index < 50; index++) {
        for (const login of [{}, { replaces: true }]) ids.push((await node.login(`user-${index}`, login)).id);
      }
    });
    expect(
      afterLogins.filter((name) => !/^(latchkey_session_pkey|idx_latchkey_session_(slot|account|ended))$/.test(name)),
    ).toEqual([]);
    const afterLists = await pathsOf(async (node) => {
      for (let index = 0; index < 50; index++) {
        expect(await node.sessions.listLiveSessions(node.account(`user-${index}`))).toHaveLength(1);
      }
    });
    expect(afterLists.filter((name) => !/^idx_latchkey_session_(slot|account|ended)$/.test(name))).toEqual([]);
    const live = ids.filter((_id, index) => index % 2 === 1);
    const afterChanges = await pathsOf(async (node) => {
      for (const id of live.slice(0, 20)) {
        await node.sessions.findSessions([id]);
        await node.sessions.recordActivity([{ sessionId: id, at: START, usedAt: START, ip: '192.0.2.2' }]);
        await node.stores.session(id).set('name', 1);
        await node.sessions.changeSession(id, () => ({ result: null, patch: { claims: { changed: true } } }));
        await node.sessions.endSession(id, KICK);
      }
      expect(await node.sessions.endSessions(live.slice(20, 40), KICK)).toHaveLength(20);
    });
    expect(afterChanges).toEqual(['latchkey_session_pkey']);
  });
});
