import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { DataSource } from 'typeorm';
import { PooledEngine } from '../../lib/database/pooled-engine.js';
import type { Statement } from '../../lib/database/sql.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';

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
    await client.query('ANALYZE TABLE user_session');
  });

  afterAll(async () => {
    await client.destroy();
    await sessions.close();
    await database.drop();
  });

  const planOf = async (text: string, values: readonly unknown[]) => {
    const [plan] = await client.query<Plan[]>(`EXPLAIN ${text}`, [...values]);
    return plan!;
  };

  it.each([
    [
      'by last use',
      'idx_user_session_by_use',
      (cursor?: string) => online.list({ sort: 'lastSeen', limit: 20, cursor }),
    ],
    ['by login', 'idx_user_session_by_login', (cursor?: string) => online.list({ sort: 'login', limit: 20, cursor })],
    ['by user', 'idx_user_session_find_user', (cursor?: string) => online.list({ sort: 'user', limit: 20, cursor })],
    ['of users', 'idx_user_session_find_user', (cursor?: string) => online.listUsers({ limit: 20, cursor })],
  ])('%s is read from its place on, in the order of %s', async (_name, index, list) => {
    let cursor: string | undefined;
    for (let page = 0; page < 5; page++) cursor = (await list(cursor)).nextCursor!;
    const read = jest.spyOn(PooledEngine.prototype, 'read');
    await list(cursor);
    const statements = read.mock.calls.map(([statement]) => statement as Statement);
    read.mockRestore();
    const page = statements.find((statement) => /ORDER BY .* LIMIT \?$/.test(statement.render(() => '?')))!;
    const text = page.render(() => '?');
    const plan = await planOf(text, page.values);
    expect(plan).toMatchObject({ type: 'range', key: index });
    expect(plan.Extra).not.toContain('filesort');
  });
});
