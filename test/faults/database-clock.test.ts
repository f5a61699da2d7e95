import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { accessAndRefresh, singleDevice } from 'nestjs-latchkey';
import type { DataSource } from 'typeorm';
import { DatabaseClock } from '../support/database-clock.js';
import type { LoginOutcome } from '../support/nodes.js';
import { sized } from '../support/size.js';
import { timed, until } from '../support/until.js';
import { END_BUDGET_MS, SLACK_MS } from './budgets.js';
import { type FaultNode, untilRemembered, untilWell, verdictOf, verdictsOf, KICK, useStage } from './stage.js';
import { liveThrough } from './story.js';

/** What a database that is set forward by an hour leaves good. */
const OPTIONS = { tokens: accessAndRefresh({ access: '1d', grace: '6h' }) } as const;
const STEPS = [
  ['back', -1],
  ['forward', 1],
] as const;

describe('F39: the clock of the database is set', () => {
  const stage = useStage();
  let clock: DatabaseClock;
  let inspector: DataSource;
  beforeEach(async () => {
    clock = await DatabaseClock.of(stage.database);
    inspector = await stage.database.connect();
    stage.atEnd(() => clock.close());
  });

  const members = async () =>
    (await inspector.query<{ id: string }[]>('SELECT id FROM latchkey_node')).map(({ id }) => id);

  /** A node that nobody can know to be gone, as in a container of its own. */
  const killUnseen = async (process: { kill(): Promise<void> }) => {
    await inspector.query('UPDATE latchkey_node SET process = NULL');
    await process.kill();
  };

  it.each(sized(STEPS))(
    '%s, beside the row of a node that died: ends and logins are done in time',
    async (_how, hours) => {
      const nodes = await stage.openAll(2, OPTIONS);
      const { node: doomed } = await stage.openProcess();
      await until(async () => (await members()).length === 3);
      const witness = stage.witness(nodes);
      for (const login of await liveThrough(nodes, witness)) await untilRemembered(nodes, login);
      await killUnseen(doomed);
      await clock.set(hours);
      await liveThrough(nodes, witness);
      await until(async () => (await members()).length === 2);
      await untilWell(nodes);
      for (const login of await liveThrough(nodes, witness)) await untilRemembered(nodes, login);
      await clock.set(0);
      await liveThrough(nodes, witness);
      await witness.close();
    },
  );

  it.each(sized([...STEPS].reverse()))(
    '%s, while a node is cut off: it is waited for as long as it answers from memory',
    async (_how, hours) => {
      const nodes = (await stage.openAll(2, OPTIONS)) as [FaultNode, FaultNode];
      const [near, far] = nodes;
      const witness = stage.witness(nodes);
      const login = await near.tokens.login('alice');
      const other = await near.tokens.login('bob');
      witness.watch(login, other);
      for (const one of [login, other]) await untilRemembered(nodes, one);
      far.redis.hold();
      far.database.hold();
      await clock.set(hours);
      await near.runtime.coherence.poll();
      const kick = await timed(witness.ending([login], () => near.operators.kickUser('alice', KICK)));
      expect(kick.ms).toBeLessThan(END_BUDGET_MS + SLACK_MS);
      expect(await verdictOf(far, login)).not.toBe('VALID');
      far.redis.release();
      far.database.release();
      await untilWell(nodes);
      expect(await verdictsOf(nodes, login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
      await witness.close({ mayBeUnknown: true });
    },
  );

  it.each(sized(STEPS))(
    '%s, and a server that was killed starts again: it takes over before it is asked',
    async (_how, hours) => {
      const { node: doomed } = await stage.openProcess({ redis: null, timing: {} });
      const before = ((await doomed.call('login', 'alice', {})) as LoginOutcome).value!;
      await until(async () => (await inspector.query('SELECT id FROM latchkey_node WHERE caching = 1')).length === 1);
      const [id] = await members();
      await killUnseen(doomed);
      await clock.set(hours);
      const warn = jest.spyOn(Logger.prototype, 'warn');
      const { tokens } = await stage.database.start({ policy: singleDevice(), ...OPTIONS, redis: undefined });
      try {
        expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
          expect.stringContaining(`Waits for ${id} (last heard of at `),
        ]);
        await until(async () => !(await members()).includes(id!));
        const login = await tokens.login('alice');
        expect(login.ended).toHaveLength(1);
        expect(await tokens.verify(before.accessToken)).toMatchObject({ reason: 'SESSION_REPLACED' });
      } finally {
        warn.mockRestore();
      }
    },
  );
});
