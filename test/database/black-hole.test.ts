import { describe, expect, it } from '@jest/globals';
import { kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

describe.each(kindsOf('postgres', 'mariadb'))('a network that swallows what goes to $name', (kind) => {
  const database = useDatabase(kind);

  it('G10: takes no connection away for good, though nobody ever says that it is gone', async () => {
    const proxy = await TcpProxy.start(portOf(database));
    database.atEnd(() => proxy.close());
    const timing = { verifyBudget: '300ms', endBudget: '300ms' } as const;
    const sessions = await database.start({ database: throughPort(database, proxy.port), nearCache: false, timing });
    const { accessToken } = await sessions.tokens.login('alice');
    const statuses = async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => sessions.tokens.verify(accessToken)));
      return [...new Set(answers.map(({ status }) => status))];
    };
    const bans = async () => {
      const lift = (index: number) => sessions.operators.liftBan(`user-${index}`, { by: 'root' });
      const codes = await Promise.all(
        Array.from({ length: 8 }, (_, index) => lift(index).then(String, ({ code }: { code: string }) => code)),
      );
      return [...new Set(codes)];
    };
    // The budgets are short for a busy machine.
    const isWell = async () => {
      await until(async () => (await statuses()).every((status) => status === 'VALID'));
      await until(async () => (await bans()).every((code) => code === 'false'));
    };
    await isWell();
    // Every connection of either kind is in use in each round.
    for (let round = 0; round < 2; round++) {
      proxy.hold();
      // Twice: by the end of the second time, the first ones have been given up for certain.
      for (let time = 0; time < 2; time++) {
        expect(await statuses()).toEqual(['UNKNOWN']);
        expect(await bans()).toEqual(['SESSION_STORE_UNAVAILABLE']);
      }
      // What was held is lost, and no answer to it will ever come.
      proxy.release();
      proxy.cut();
      await isWell();
    }
  });
});
