import { beforeAll, describe, expect, it } from '@jest/globals';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { Crowd } from '../support/crowd.js';
import { databaseKinds } from '../support/databases.js';
import { type DeathPoint, TestNode } from '../support/nodes.js';
import type { Sessions } from '../support/sessions.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { BUDGETS } from './budgets.js';
import { KICK, verdictsOf, whileRepeating } from './stage.js';
import { Witness } from './witness.js';

/** More than are closed in one portion on any database. */
const MANY = 600;
/** No node closes anything by itself before the test says so. */
const TIMING = { ...BUDGETS, poll: '100ms', pollFreshness: '1s', sweep: '1h' } as const;
/** The same, with the shortest lease that is not over before it has been used. */
const DOOMED = { ...TIMING, sweep: '1s' } as const;

const ROWS_OF_PORTION = `SELECT id FROM .latchkey_session. WHERE user_key = \\S+ AND status = 'live' AND account_epoch`;

interface Case extends DeathPoint {
  readonly where: string;
  /** Whether the transaction of the end is committed by then. */
  readonly isEnded: boolean;
  /** Rows that are closed by then, in portions. */
  readonly portions: 'none' | 'one' | 'all';
}

const CASES: readonly Case[] = [
  {
    where: 'before the COMMIT of the end',
    statement: '^COMMIT$',
    after: 'INSERT INTO .latchkey_mass_end',
    isEnded: false,
    portions: 'none',
  },
  {
    where: 'after the COMMIT of the end, before any other node knows of it',
    statement: '^COMMIT$',
    after: 'INSERT INTO .latchkey_mass_end',
    isDone: true,
    isEnded: true,
    portions: 'none',
  },
  { where: 'once it has the lease', statement: ROWS_OF_PORTION, isEnded: true, portions: 'none' },
  { where: 'in the middle of a portion', statement: 'SET ended = ended', isEnded: true, portions: 'none' },
  { where: 'between two portions', statement: ROWS_OF_PORTION, turn: 2, isEnded: true, portions: 'one' },
  { where: 'with all rows closed, before that is noted', statement: 'SET closed_at', isEnded: true, portions: 'all' },
];

describe.each(databaseKinds)('F45: a process that is killed while it ends very many sessions, on $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let survivors: [Sessions, Sessions];
  beforeAll(async () => {
    const options = { policy: multiDevice({ max: Infinity }), timing: TIMING };
    survivors = [await database.start(options), await database.start(options)];
  });

  it.each(CASES)('$where: another completes it, and every row is right', async ({ where: user, ...point }) => {
    const { isEnded, portions, ...diesAt } = point;
    const [first, second] = survivors;
    const crowd = new Crowd(first, user);
    const stranger = await second.tokens.login('alice');
    const [others] = (await crowd.counted()) as [number];
    const before: LoginResult[] = [];
    for (let index = 0; index < 4; index++) before.push(await survivors[index % 2]!.tokens.login(user));
    const ids = [...before.map(({ session }) => session.id), ...(await crowd.add(before[0]!.session, MANY))].sort();
    const witness = new Witness(survivors.map((node) => (token: string) => node.tokens.verify(token)));
    database.atEnd(() => witness.stop());
    witness.watch(stranger, ...before);
    const doomed = await TestNode.start({
      database: database.options,
      policy: { name: 'multiDevice' },
      redis: null,
      timing: DOOMED,
      diesAt,
    });
    database.atEnd(() => doomed.kill());
    const startedAt = first.tokens.now();

    const by = isEnded ? 'root' : 'boss';
    await witness.ending(before, async () => {
      const answer = doomed.call('kickUser', user, KICK).catch(() => null);
      await doomed.died;
      const isAcknowledged = (await answer)?.value === null;
      if (point.after) expect(isAcknowledged).toBe(false);
      expect(await crowd.counted()).toEqual(Array(6).fill(isEnded ? others : others + ids.length));
      // Whoever does not know if it was done repeats it, and is answered by what is left to do.
      if (!isAcknowledged) expect(await second.operators.kickUser(user, { by: 'boss' })).toBe(isEnded ? 0 : null);
    });
    const closedBefore = (await crowd.sessions()).filter(({ status }) => status === 'ended').length;
    const expected = { none: 0, one: kind.name === 'sqlite' ? 50 : 200, all: ids.length };
    if (isEnded) expect(closedBefore).toBe(expected[portions]);
    const after = [await first.tokens.login(user), await second.tokens.login(user)];
    witness.watch(...after);
    const live = after.map(({ session }) => session.id).sort();

    const look = async () => {
      expect(await crowd.listed()).toEqual(live);
      expect(await crowd.counted()).toEqual(Array(6).fill(others + live.length));
      for (const login of before.slice(0, 2)) {
        expect(await verdictsOf(survivors, login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
      }
    };
    await look();
    // The first to come after the lease of the killed one is over.
    const close = async () => {
      await Promise.all(survivors.map(({ runtime }) => runtime.closing.run()));
      return crowd.isClosed();
    };
    await whileRepeating(look, () => until(close));

    const [massEnd, ...more] = await crowd.massEnds();
    const { end, version } = massEnd!;
    expect(more).toEqual([]);
    expect(massEnd).toMatchObject({ ended: ids.length, end: { reason: 'SESSION_KICKED', by } });
    expect(massEnd!.closedAt).toBeGreaterThanOrEqual(end.at);
    expect(end.at).toBeGreaterThanOrEqual(startedAt);
    const dead = ids.map((id) => ({ id, status: 'ended', slot: null, version: 2, accountEpoch: 0, end }));
    const none = { reason: null, at: null, by: null };
    const slot = expect.any(String) as unknown as string;
    const opened = live.map((id) => ({ id, status: 'live', slot, version: 1, accountEpoch: version, end: none }));
    expect(await crowd.sessions()).toEqual([...dead, ...opened].sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect((await second.sessions.find(ids[0]!))?.end).toMatchObject(end);
    await look();
    for (const login of [...after, stranger]) expect(await verdictsOf(survivors, login)).toEqual(['VALID', 'VALID']);
    await witness.close();
  });
});
