import { expect, it } from '@jest/globals';
import { MOST_CHANGED } from 'lib/session-change.js';
import { sql } from 'lib/sql.js';
import { multiply } from './many-sessions.js';
import { type TestRepositories, describeRepository } from './repositories.js';

const ABOUT = { by: 'root', names: ['n'], comment: null };

describeRepository('the claims of a user with many sessions', ({ clock, node, other, newUser }) => {
  const crowd = async (at: TestRepositories, count: number) => {
    const user = newUser();
    const session = await at.login(user, { claims: { n: 0 } });
    return { account: at.account(user), ids: [session.id, ...(await multiply(at, session, count - 1))] };
  };
  const change = (at: TestRepositories, account: ReturnType<TestRepositories['account']>, n: number) =>
    at.sessions.changeAccountClaims(account, () => ({ n }), ABOUT);

  it(`change in ${MOST_CHANGED}, with one row of the change log`, async () => {
    const { account, ids } = await crowd(node, MOST_CHANGED);
    expect(await change(node, account, 1)).toMatchObject({ changed: MOST_CHANGED, change: { version: 1 } });
    const found = await other.sessions.findSessions([ids[0]!, ids[1]!, ids.at(-1)!]);
    expect(found.map(({ claims, version, accountVersion }) => [claims, version, accountVersion])).toEqual(
      Array(3).fill([{ n: 1 }, 2, 1]),
    );
    expect(await node.loggedVersions(account.key)).toEqual([1]);
    expect(await node.loggedVersions(ids[1]!)).toEqual([]);
    // Those that have expired are not counted.
    clock.advance(25 * 3_600_000);
    expect(await change(node, account, 2)).toMatchObject({ changed: 0 });
  });

  it('do not change in more, nor does the account', async () => {
    const { account, ids } = await crowd(node, MOST_CHANGED + 1);
    expect(await change(node, account, 1)).toBeNull();
    const [record] = await other.sessions.findSessions([ids[5]!]);
    expect(record).toMatchObject({ claims: { n: 0 }, version: 1, accountVersion: 0 });
    expect(await other.sessions.readAccount(account)).toMatchObject({ epoch: 0 });
  });

  it('skip a row that cannot be read, and those that ended with others', async () => {
    const { account, ids } = await crowd(node, 3);
    await node.write(sql`UPDATE ${node.database.tables.session} SET claims = 'nonsense' WHERE id = ${ids[0]!}`);
    expect(await change(node, account, 1)).not.toBeNull();
    expect(await node.rows(sql`SELECT claims FROM ${node.database.tables.session} WHERE id = ${ids[0]!}`)).toEqual([
      { claims: 'nonsense' },
    ]);
    expect((await node.sessions.listLiveSessions(account)).map(({ claims }) => claims)).toEqual([{ n: 1 }, { n: 1 }]);
  });
});
