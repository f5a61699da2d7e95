import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { SessionRuntime } from '../../lib/nest/session-runtime.js';
import type { Statement } from '../../lib/database/sql.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';

/** With these PostgreSQL starts workers wherever it may, however small a table is. */
const EAGER = [
  'parallel_setup_cost=0',
  'parallel_tuple_cost=0',
  'min_parallel_table_scan_size=0',
  'min_parallel_index_scan_size=0',
  'enable_sort=off',
];

interface Engine {
  read(statement: Statement, options: unknown): Promise<unknown>;
}

describe('a page of a list on PostgreSQL', () => {
  let database: TestDatabase;
  let client: DataSource;
  let sessions: Sessions;
  let engine: Engine;

  beforeAll(async () => {
    database = await kindsOf('postgres')[0]!.create();
    sessions = await startSessions({ database: database.options, policy: multiDevice() }, [OnlineUsersService]);
    const runtime = sessions.context.get(SessionRuntime, { strict: false });
    ({ engine } = (runtime as unknown as { readonly database: { readonly engine: Engine } }).database);
    for (let index = 0; index < 40; index++) await sessions.tokens.login(`user-${index}`, { ip: `192.0.2.${index}` });
    const extra = { options: EAGER.map((setting) => `-c ${setting}`).join(' ') };
    client = await new DataSource({ ...database.options, poolSize: 1, extra } as DataSourceOptions).initialize();
    await client.query('ANALYZE user_session');
  });

  afterAll(async () => {
    await client.destroy();
    await sessions.close();
    await database.drop();
  });

  const planOf = async (text: string, values: readonly unknown[] = []) => {
    const rows: { 'QUERY PLAN': string }[] = await client.query(`EXPLAIN ${text}`, [...values]);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };

  it('is read by one process, and leaves the connection as it was', async () => {
    const all = 'SELECT id FROM user_session WHERE user_name IS NULL';
    expect(await planOf(all)).toContain('Gather');

    const read = jest.spyOn(engine, 'read');
    const operators = sessions.context.get(OnlineUsersService, { strict: false });
    expect((await operators.list({ ip: '192.0.2.0/24', limit: 50 })).items).toHaveLength(40);
    expect((await operators.listUsers({ limit: 50 })).items).toHaveLength(40);
    const pages = read.mock.calls
      .map(([statement]) => ({ text: statement.render((at) => `$${at}`), values: statement.values }))
      .filter(({ text }) => text.includes('ORDER BY') && !text.includes('COUNT'));
    read.mockRestore();
    expect(pages.length).toBeGreaterThanOrEqual(2);
    for (const { text, values } of pages) {
      expect(await planOf(text, values)).not.toContain('Gather');
      await client.query(text, [...values]);
    }
    expect(await planOf(all)).toContain('Gather');
  });
});
