import { beforeAll, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, singleDevice } from 'nestjs-latchkey';
import { kindsOf } from '../support/databases.js';
import type { Sessions } from '../support/sessions.js';
import { rounds } from '../support/size.js';
import { useDatabase } from '../support/use-database.js';
import { ENDS, History, USES } from './history.js';

const ROUNDS = rounds('parallelHistories');

describe.each(kindsOf('postgres', 'mariadb'))('the same on $name, with two nodes and real parallelism', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let nodes: Sessions[];

  beforeAll(async () => {
    const options = { policy: singleDevice(), tokens: accessAndRefresh() };
    nodes = await Promise.all([database.start(options), database.start(options)]);
  });

  it.each(ENDS)(`G6, G7: no token is accepted after an acknowledged %s`, async (end) => {
    for (let round = 0; round < ROUNDS / ENDS.length; round++) {
      const histories = Array.from({ length: 4 }, (_, index) => new History(nodes, `${end} ${round} ${index}`));
      await Promise.all(histories.map((history) => history.login()));
      await Promise.all(histories.map((history) => history.race([...USES, 'refresh'], [end])));
      for (const history of histories) expect(await history.violations()).toEqual([]);
    }
  });
});
