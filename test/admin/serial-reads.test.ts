import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { pageStatementOf } from './page-statement.js';

/** With these PostgreSQL starts workers wherever it may, however small a table is. */
const EAGER =
  '-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0 -c enable_indexscan=off -c enable_bitmapscan=off';
const SESSIONS = 40;

describe('a page of a list on PostgreSQL', () => {
  let database: TestDatabase;
  let client: DataSource;
  let sessions: Sessions;

  beforeAll(async () => {
    database = await kindsOf('postgres')[0]!.create();
    sessions = await startSessions({ database: database.options, policy: multiDevice() }, [OnlineUsersService]);
    for (let index = 0; index < SESSIONS; index++) {
      await sessions.tokens.login(`user-${index}`, { ip: `192.0.2.${index}` });
    }
    const options = { ...database.options, poolSize: 1, extra: { options: EAGER } } as DataSourceOptions;
    client = await new DataSource(options).initialize();
    await client.query('ANALYZE');
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

  it.each<[string, () => Promise<unknown>]>([
    ['sessions', () => sessions.context.get(OnlineUsersService, { strict: false }).list({ ip: '192.0.2.0/24' })],
    ['users', () => sessions.context.get(OnlineUsersService, { strict: false }).listUsers()],
    [
      'sightings',
      () => {
        const { sightingQueries } = sessions.context.get(SessionRuntime, { strict: false });
        return sightingQueries.bySession('0'.repeat(32), { from: null, backwards: false, limit: 50 });
      },
    ],
  ])('of %s is read by one process, and leaves the connection as it was', async (_name, list) => {
    const { text, values } = await pageStatementOf(list);
    const condition = /AND \(SELECT set_config\([^)]*\)\) = '0'/;
    // Without it, the same statement is given to workers.
    expect(await planOf(text.replace(condition, ''), values)).toContain('Gather');
    expect(await planOf(text, values)).not.toContain('Gather');
    await client.query(text, [...values]);
    expect(await client.query('SHOW max_parallel_workers_per_gather')).not.toEqual([
      { max_parallel_workers_per_gather: '0' },
    ]);
  });
});
