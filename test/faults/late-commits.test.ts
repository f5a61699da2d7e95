import { describe, expect, it, jest } from '@jest/globals';
import { type RefreshResult, singleDevice } from 'nestjs-latchkey';
import { raw } from 'lib/sql.js';
import { kindsOf } from '../support/databases.js';
import type { Call, VerifyOutcome } from '../support/nodes.js';
import { until } from '../support/until.js';
import { type FaultNode, TIMING, untilRemembered, untilWell, useStage } from './stage.js';

/** Longer than the change log is read back, and than a login looks for ends that it might not have heard of. */
const HELD_MS = 44_000;

describe('a network that delivers late what a server has sent to the database', () => {
  const stage = useStage();

  const isQuiet = async ({ runtime }: FaultNode) => {
    const busy = raw(`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`);
    const { rows } = await runtime.database.engine.read(busy, { lane: 'work', budgetMs: 5000 });
    return rows.length === 0;
  };

  it('F37: a kick of then comes to nothing, and the next login leaves one token that is good', async () => {
    const options = { policy: singleDevice(), timing: { ...TIMING, endBudget: '1s' } } as const;
    const [near, far] = (await stage.openAll(2, options)) as [FaultNode, FaultNode];
    const witness = stage.witness([near, far]);
    const first = await near.tokens.login('alice');
    witness.watch(first);
    await untilRemembered([near, far], first);
    const second = await witness.ending([first], async () => {
      near.database.hold();
      const clock = jest.spyOn(near.runtime.clock, 'now');
      // For the database, as if it had been held for so long.
      const then = Date.now() - HELD_MS;
      clock.mockImplementation(() => then);
      const kick = near.operators.kick(first.session.id, { by: 'root' });
      await expect(kick).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
      clock.mockRestore();
      near.database.release();
      await until(async () => near.database.waiting === 0 && (await isQuiet(far)));
      await untilWell([near, far]);
      return far.tokens.login('alice');
    });
    witness.watch(second);
    await witness.ending([second], () => near.operators.kick(second.session.id, { by: 'root' }));
    // As long as the network of one was silent, it could not ask about the session that it might have ended.
    await witness.close({ mayBeUnknown: true });
    expect(second.ended).toEqual([{ sessionId: first.session.id, reason: 'SESSION_REPLACED' }]);
  });
});

describe.each(kindsOf('postgres', 'mariadb'))(
  'a process that stands still between two statements, on $name',
  (kind) => {
    const stage = useStage({ kind });

    it('F32: has done nothing for good that the others do not know of, and nothing when it goes on', async () => {
      const nodes = (await stage.openAll(2, { policy: singleDevice() })) as [FaultNode, FaultNode];
      const [near] = nodes;
      const { node: sleeper, database } = await stage.openProcess();
      await untilWell(nodes);
      const witness = stage.witness(nodes);
      const firsts = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => near.tokens.login(name)));
      witness.watch(...firsts);
      await sleeper.run(firsts.map(({ accessToken }): Call => ['verify', accessToken]));
      const openTransactions = async () => {
        const idle =
          kind.name === 'postgres'
            ? `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`
            : `SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p
              ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND p.command = 'Sleep'`;
        return (await near.runtime.database.engine.read(raw(idle), { lane: 'work', budgetMs: 5000 })).rows.length;
      };
      const seconds = await witness.ending(firsts, async () => {
        // Each begins when the one before it has got a statement further: they stand still at different ones.
        database.delay(100);
        const calls = firsts.map(({ session, refreshToken }, index): Call =>
          index % 3 === 2 ? ['refresh', refreshToken] : ['kick', session.id, { by: 'root' }],
        );
        const doing: Promise<unknown>[] = [];
        for (const call of calls) {
          doing.push(sleeper.call(...call));
          await sleeper.call('find', firsts[0]!.session.id);
        }
        await until(async () => (await openTransactions()) > 0);
        sleeper.process.kill('SIGSTOP');
        expect(await openTransactions()).toBeGreaterThan(0);
        await until(async () => (await openTransactions()) === 0);
        const logins = await Promise.all(firsts.map(({ session }) => near.tokens.login(session.userId)));
        witness.watch(...logins);
        database.delay(0);
        sleeper.process.kill('SIGCONT');
        for (const outcome of (await Promise.all(doing)) as { value?: unknown; error?: { code: string } }[]) {
          // One that had committed before is pending: the others find it in the change log.
          const codes = ['SESSION_STORE_UNAVAILABLE', 'SESSION_REPLACED', 'CHANGE_PENDING'];
          if (outcome.error) expect(codes).toContain(outcome.error.code);
          const { accessToken } = (outcome.value || {}) as Partial<RefreshResult>;
          if (accessToken !== undefined) expect((await near.tokens.verify(accessToken)).status).toBe('INVALID');
        }
        return logins;
      });
      const ofSleeper = async (logins: typeof firsts) =>
        ((await sleeper.run(logins.map(({ accessToken }): Call => ['verify', accessToken]))) as VerifyOutcome[]).map(
          ({ value }) => value!.status,
        );
      expect(await ofSleeper(firsts)).toEqual(firsts.map(() => 'INVALID'));
      expect(await ofSleeper(seconds)).toEqual(seconds.map(() => 'VALID'));
      await witness.close();
    });
  },
);
