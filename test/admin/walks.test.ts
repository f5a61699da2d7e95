import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { OnlineFilter } from 'lib/database/lists/online-filter.js';
import { OnlineQueries, type OnlineSort } from 'lib/online-queries.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { pageStatementOf } from './page-statement.js';

const SESSIONS = 200;

interface Plan {
  readonly type: string;
  readonly key: string | null;
  readonly Extra: string;
}

describe('a page far down a list on MariaDB', () => {
  let database: TestDatabase;
  let client: DataSource;
  let sessions: Sessions;
  let online: OnlineUsersService;

  beforeAll(async () => {
    database = await kindsOf('mariadb')[0]!.create();
    sessions = await startSessions({ database: database.options, policy: multiDevice() }, [OnlineUsersService]);
    online = sessions.context.get(OnlineUsersService, { strict: false });
    for (let index = 0; index < SESSIONS; index++) await sessions.tokens.login(`user-${index}`);
    client = await new DataSource(database.options).initialize();
    await client.query('ANALYZE TABLE latchkey_session');
  });

  afterAll(async () => {
    await client.destroy();
    await sessions.close();
    await database.drop();
  });

  it.each([
    [
      'by last use',
      'idx_latchkey_session_by_use',
      (cursor?: string) => online.list({ sort: 'lastSeen', limit: 20, cursor }),
    ],
    [
      'by login',
      'idx_latchkey_session_by_login',
      (cursor?: string) => online.list({ sort: 'login', limit: 20, cursor }),
    ],
    [
      'by user',
      'idx_latchkey_session_find_user',
      (cursor?: string) => online.list({ sort: 'user', limit: 20, cursor }),
    ],
    ['of users', 'idx_latchkey_session_find_user', (cursor?: string) => online.listUsers({ limit: 20, cursor })],
  ])('%s is read from its place on, in the order of %s', async (_name, index, list) => {
    let cursor: string | undefined;
    for (let page = 0; page < 5; page++) cursor = (await list(cursor)).nextCursor!;
    const { text, values } = await pageStatementOf(() => list(cursor));
    const [plan] = await client.query<Plan[]>(`EXPLAIN ${text}`, [...values]);
    expect(plan).toMatchObject({ type: 'range', key: index });
    expect(plan!.Extra).not.toContain('filesort');
  });
});

describe('a page on PostgreSQL of what many sessions are found by', () => {
  let database: TestDatabase;
  let client: DataSource;
  let sessions: Sessions;
  let online: OnlineQueries;

  beforeAll(async () => {
    database = await kindsOf('postgres')[0]!.create();
    sessions = await startSessions({ database: database.options, policy: multiDevice() });
    for (let index = 0; index < SESSIONS; index++) {
      const isRare = index % 20 === 0;
      await sessions.tokens.login(`user-${isRare ? 'a' : 'b'}${index}`, { deviceType: isRare ? 'tablet' : 'phone' });
    }
    const { database: parts, queries, clock } = sessions.context.get(SessionRuntime, { strict: false });
    // More than three are many.
    online = new OnlineQueries({ ...parts, realm: queries.realm, clock, budgetMs: 5000 }, 3);
    // A table of this size would be read from end to end.
    const options = { ...database.options, extra: { options: '-c enable_seqscan=off' } } as DataSourceOptions;
    client = await new DataSource(options).initialize();
    await client.query('ANALYZE');
  });

  afterAll(async () => {
    await client.destroy();
    await sessions.close();
    await database.drop();
  });

  it.each<[OnlineSort, string, OnlineFilter[]]>([
    ['lastSeen', 'idx_latchkey_session_by_use', [{ prefix: 'user-a' }, { deviceType: 'tablet' }]],
    ['login', 'idx_latchkey_session_by_login', [{ prefix: 'user-a' }, { deviceType: 'tablet' }]],
  ])('by %s is read in the order of %s, however few the planner takes them for', async (sort, index, filters) => {
    for (const filter of filters) {
      const portion = { from: null, backwards: false, limit: 5 };
      const { text, values } = await pageStatementOf(() => online.list(filter, sort, portion));
      const rows = await client.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${text}`, [...values]);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain(`using ${index}`);
      expect(plan).not.toMatch(/Sort|Bitmap/);
    }
  });
});
