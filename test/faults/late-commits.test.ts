import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { singleDevice } from 'nestjs-latchkey';
import { raw } from '../../lib/database/sql.js';
import { until } from '../support/until.js';
import { type FaultNode, Stage, TIMING, untilRemembered, untilWell } from './stage.js';

/** Longer than the change log is read back, and than a login looks for ends that it might not have heard of. */
const HELD_MS = 44_000;

describe('a network that delivers late what a server has sent to the database', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.close());

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
      const kick = near.tokens.kickSession(first.session.id, { by: 'root' });
      await expect(kick).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
      clock.mockRestore();
      near.database.release();
      await until(async () => near.database.waiting === 0 && (await isQuiet(far)));
      await untilWell([near, far]);
      return far.tokens.login('alice');
    });
    witness.watch(second);
    await witness.ending([second], () => near.tokens.kickSession(second.session.id, { by: 'root' }));
    // As long as the network of one was silent, it could not ask about the session that it might have ended.
    await witness.close({ mayBeUnknown: true });
    expect(second.ended).toEqual([{ sessionId: first.session.id, reason: 'SESSION_REPLACED' }]);
  });
});
