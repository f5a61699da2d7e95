import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accountRef } from 'lib/user-key.js';
import { DataSource } from 'typeorm';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

describe.each(kindsOf('postgres', 'mariadb'))('on $name, a session that an operator opens as a user', ({ create }) => {
  let database: TestDatabase;
  let node: Sessions;
  let beside: DataSource;
  beforeAll(async () => {
    database = await create();
    node = await startSessions({ database: database.options });
    beside = await new DataSource(database.options).initialize();
  });
  afterAll(async () => {
    await beside.destroy();
    await node.close();
    await database.drop();
  });

  it('is ended if a kick of the operator looked for it before it was there, and commits after it', async () => {
    await node.tokens.login('operator');
    const runner = beside.createQueryRunner();
    await runner.startTransaction();
    await runner.query(
      `UPDATE latchkey_account SET epoch = epoch + 1 WHERE user_key = '${accountRef('users', 'operator').key}'`,
    );
    const opening = node.operators.impersonate('user', { by: 'operator' }).catch((error: unknown) => error);
    await until(async () => (await node.sessions.list('user')).length > 0);
    await runner.commitTransaction();
    await runner.release();
    expect(await opening).toMatchObject({ code: 'FORBIDDEN' });
    expect(await node.sessions.list('user')).toEqual([]);
  });
});
