import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { redis } from 'nestjs-latchkey/redis';
import { redisKeys } from 'lib/redis-commands.js';
import { kindsOf } from '../support/databases.js';
import { redisPrefix } from '../support/redis.js';
import type { Sessions } from '../support/sessions.js';
import { rounds } from '../support/size.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { ForgetfulRedis } from './forgetful-redis.js';
import { type HistoryNode, RollbackHistory } from './rollback-history.js';
import { type Step, failovers, losses } from './rollback-steps.js';

/** More than a busy machine needs; a failing history is made smaller until then, and told with its seed. */
const HISTORIES_MS = 240_000;

describe.each([
  { ...kindsOf('sqlite')[0]!, runs: { losses: rounds('lossesOfRedis'), failovers: rounds('failoversOfRedis') } },
  {
    ...kindsOf('postgres')[0]!,
    runs: { losses: Math.ceil(rounds('lossesOfRedis') / 5), failovers: Math.ceil(rounds('failoversOfRedis') / 3) },
  },
])('whatever Redis forgets or remembers, with two nodes on $name', ({ runs, ...kind }) => {
  const database = useDatabase(kind, { isShared: true });
  const prefix = redisPrefix();
  let server: ForgetfulRedis;
  let opened: Sessions[];
  let nodes: HistoryNode[];
  let users = 0;

  const runtimes = () => opened.map(({ runtime }) => runtime);
  const answered = (from: 'memory' | 'shared' | 'database', status: 'VALID' | 'INVALID' | 'UNKNOWN') =>
    runtimes().reduce((sum, { stats }) => sum + stats.of(from, status), 0);

  beforeAll(async () => {
    server = await ForgetfulRedis.start();
    database.atEnd(() => server.stop());
    const options = {
      policy: multiDevice(),
      // Old tokens are bad from the moment at which there are new ones.
      tokens: accessAndRefresh({ grace: '0s' }),
      redis: redis(server.url, { prefix }),
      timing: { poll: '50ms', pollFreshness: '1s', activityFlush: '1h', sweep: '1h' },
    } as const;
    // One goes by its own memory where it can, the other by nothing but Redis.
    opened = [await database.start(options), await database.start({ ...options, nearCache: false })];
    nodes = runtimes().map(({ coherence, shared, tokens, sessions, operators }) => ({
      tokens,
      sessions,
      operators,
      poll: () => coherence.poll(),
      ready: () => until(() => shared!.state === 'up' && shared!.messenger.isConnected && coherence.caching),
    }));
    await Promise.all(nodes.map((node) => node.ready()));
  });

  const holds = (histories: fc.Arbitrary<Step[]>, numRuns: number) =>
    fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const keyOf = redisKeys(prefix, 'users').session;
        const history = new RollbackHistory(nodes, server, keyOf, `user ${users++}`);
        try {
          await history.run(steps);
        } finally {
          await history.end();
        }
        expect(history.problems).toEqual([]);
      }),
      { numRuns, interruptAfterTimeLimit: HISTORIES_MS, markInterruptAsFailure: true },
    );

  it(
    `G2, G3: no token is accepted wrongly, nor refused, in ${runs.losses} histories of losses and old copies`,
    async () => {
      await holds(losses, runs.losses);
      // The caches answered: each history has a look that they answer at its start, and one at its end.
      expect(answered('shared', 'VALID')).toBeGreaterThan(runs.losses / 2);
      expect(answered('memory', 'VALID')).toBeGreaterThan(runs.losses / 2);
      expect(answered('shared', 'INVALID')).toBeGreaterThan(runs.losses / 2);
      expect(answered('database', 'UNKNOWN')).toBe(0);
    },
    HISTORIES_MS + 30_000,
  );

  it(
    `G3: nor in ${runs.failovers} failovers to a stale replica and back`,
    async () => {
      await holds(failovers, runs.failovers);
    },
    HISTORIES_MS + 30_000,
  );
});
