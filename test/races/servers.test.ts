import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, singleDevice } from 'nestjs-latchkey';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { rounds } from '../support/size.js';
import { ENDS, History, USES } from './history.js';

const ROUNDS = rounds('parallelHistories');

describe.each(kindsOf('postgres', 'mariadb'))(
  'the same on $name, with two nodes and real parallelism',
  ({ create }) => {
    let database: TestDatabase;
    let nodes: Sessions[];

    beforeAll(async () => {
      database = await create();
      const options = { database: database.options, policy: singleDevice(), tokens: accessAndRefresh() };
      nodes = await Promise.all([startSessions(options), startSessions(options)]);
    });

    afterAll(async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await database.drop();
    });

    it.each(ENDS)(`G6, G7: no token is accepted after an acknowledged %s`, async (end) => {
      for (let round = 0; round < ROUNDS / ENDS.length; round++) {
        const histories = Array.from({ length: 4 }, (_, index) => new History(nodes, `${end} ${round} ${index}`));
        await Promise.all(histories.map((history) => history.login()));
        await Promise.all(histories.map((history) => history.race([...USES, 'refresh'], [end])));
        for (const history of histories) expect(await history.violations()).toEqual([]);
      }
    });
  },
);
