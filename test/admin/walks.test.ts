import { describe, expect, it } from '@jest/globals';
import type { OnlineFilter } from 'lib/database/lists/online-filter.js';
import { OnlineQueries, type OnlineSort } from 'lib/online-queries.js';
import { pageStatementOf, usePlans } from './page-statement.js';

const SESSIONS = 200;

interface Plan {
  readonly type: string;
  readonly key: string | null;
  readonly Extra: string;
}

describe('a page far down a list on MariaDB', () => {
  const plans = usePlans('mariadb', SESSIONS, (tokens, index) => tokens.login(`user-${index}`));
  const by = (sort: OnlineSort) => (cursor?: string) => plans.online.list({ sort, limit: 20, cursor });

  it.each([
    ['by last use', 'idx_latchkey_session_by_use', by('lastSeen')],
    ['by login', 'idx_latchkey_session_by_login', by('login')],
    ['by user', 'idx_latchkey_session_find_user', by('user')],
    ['of users', 'idx_latchkey_session_find_user', (cursor?: string) => plans.online.listUsers({ limit: 20, cursor })],
  ])('%s is read from its place on, in the order of %s', async (_name, index, list) => {
    let cursor: string | undefined;
    for (let page = 0; page < 5; page++) cursor = (await list(cursor)).nextCursor!;
    const { text, values } = await pageStatementOf(() => list(cursor));
    const [plan] = await plans.client.query<Plan[]>(`EXPLAIN ${text}`, [...values]);
    expect(plan).toMatchObject({ type: 'range', key: index });
    expect(plan!.Extra).not.toContain('filesort');
  });
});

describe('a page on PostgreSQL of what many sessions are found by', () => {
  const isRare = (index: number) => index % 20 === 0;
  const plans = usePlans(
    'postgres',
    SESSIONS,
    (tokens, index) =>
      tokens.login(`user-${isRare(index) ? 'a' : 'b'}${index}`, { deviceType: isRare(index) ? 'tablet' : 'phone' }),
    // A table of this size would be read from end to end.
    { extra: { options: '-c enable_seqscan=off' } },
  );

  it.each<[OnlineSort, string, OnlineFilter[]]>([
    ['lastSeen', 'idx_latchkey_session_by_use', [{ prefix: 'user-a' }, { deviceType: 'tablet' }]],
    ['login', 'idx_latchkey_session_by_login', [{ prefix: 'user-a' }, { deviceType: 'tablet' }]],
  ])('by %s is read in the order of %s, however few the planner takes them for', async (sort, index, filters) => {
    const { database, queries, clock } = plans.runtime;
    // More than three are many.
    const online = new OnlineQueries({ ...database, realm: queries.realm, clock, budgetMs: 5000 }, 3);
    for (const filter of filters) {
      const portion = { from: null, backwards: false, limit: 5 };
      const { text, values } = await pageStatementOf(() => online.list(filter, sort, portion));
      const rows = await plans.client.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${text}`, [...values]);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain(`using ${index}`);
      expect(plan).not.toMatch(/Sort|Bitmap/);
    }
  });
});

/** With these PostgreSQL starts workers wherever it may, however small a table is. */
const EAGER =
  '-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0 -c enable_indexscan=off -c enable_bitmapscan=off';

describe('a page of a list on PostgreSQL', () => {
  const plans = usePlans('postgres', 40, (tokens, index) => tokens.login(`user-${index}`, { ip: `192.0.2.${index}` }), {
    poolSize: 1,
    extra: { options: EAGER },
  });

  const planOf = async (text: string, values: readonly unknown[] = []) => {
    const rows: { 'QUERY PLAN': string }[] = await plans.client.query(`EXPLAIN ${text}`, [...values]);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  const portion = { from: null, backwards: false, limit: 50 };

  it.each<[string, () => Promise<unknown>]>([
    ['sessions', () => plans.online.list({ ip: '192.0.2.0/24' })],
    ['users', () => plans.online.listUsers()],
    ['sightings', () => plans.runtime.sightingQueries.bySession('0'.repeat(32), portion)],
  ])('of %s is read by one process, and leaves the connection as it was', async (_name, list) => {
    const { text, values } = await pageStatementOf(list);
    const condition = /AND \(SELECT set_config\([^)]*\)\) = '0'/;
    // Without it, the same statement is given to workers.
    expect(await planOf(text.replace(condition, ''), values)).toContain('Gather');
    expect(await planOf(text, values)).not.toContain('Gather');
    await plans.client.query(text, [...values]);
    expect(await plans.client.query('SHOW max_parallel_workers_per_gather')).not.toEqual([
      { max_parallel_workers_per_gather: '0' },
    ]);
  });
});
