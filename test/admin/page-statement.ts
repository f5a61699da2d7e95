import { afterAll, beforeAll, jest } from '@jest/globals';
import { type TokenService, multiDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { PooledEngine } from 'lib/pooled-engine.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import type { Statement } from 'lib/sql.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';

/** Lists of sessions on a server, and a connection that tells how it reads them. */
interface Plans {
  readonly online: OnlineUsersService;
  readonly runtime: SessionRuntime;
  readonly client: DataSource;
}

/** Fills in the lists before the tests of a block, and closes all after them. @param extra options of the connection */
export function usePlans(
  name: 'postgres' | 'mariadb',
  logins: number,
  logIn: (tokens: TokenService, index: number) => Promise<unknown>,
  extra?: object,
): Plans {
  const plans = {} as { -readonly [Key in keyof Plans]: Plans[Key] };
  let database: TestDatabase;
  let sessions: Sessions;

  beforeAll(async () => {
    database = await kindsOf(name)[0]!.create();
    sessions = await startSessions({ database: database.options, policy: multiDevice({ max: Infinity }) }, [
      OnlineUsersService,
    ]);
    plans.online = sessions.context.get(OnlineUsersService, { strict: false });
    plans.runtime = sessions.context.get(SessionRuntime, { strict: false });
    for (let index = 0; index < logins; index++) await logIn(sessions.tokens, index);
    plans.client = await new DataSource({ ...database.options, ...extra } as DataSourceOptions).initialize();
    await plans.client.query(name === 'postgres' ? 'ANALYZE' : 'ANALYZE TABLE latchkey_session');
  });

  afterAll(async () => {
    await plans.client.destroy();
    await sessions.close();
    await database.drop();
  });
  return plans;
}

/** The statement that a page of a list is read with, as its database is given it. */
export interface PageStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The one that is made last, after those that plan it. @param list reads the page from PostgreSQL or MariaDB */
export async function pageStatementOf(list: () => Promise<unknown>): Promise<PageStatement> {
  const read = jest.spyOn(PooledEngine.prototype, 'read');
  try {
    await list();
    const engine = read.mock.contexts[0] as PooledEngine;
    const statements = read.mock.calls.map(([statement]) => statement as Statement);
    const texts = statements.map((statement) => statement.render((at) => engine.dialect.placeholder(at)));
    const last = texts.findLastIndex((text) => /ORDER BY .* LIMIT (\?|\$\d+)$/.test(text));
    return { text: texts[last]!, values: statements[last]!.values };
  } finally {
    read.mockRestore();
  }
}
