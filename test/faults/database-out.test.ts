import { beforeEach, describe, expect, it } from '@jest/globals';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { timed, until } from '../support/until.js';
import { END_BUDGET_MS, SLACK_MS } from './budgets.js';
import {
  type FaultNode,
  SHORT_TIMING,
  keyOf,
  untilRemembered,
  untilWell,
  verdictOf,
  verdictsOf,
  KICK,
  useStage,
} from './stage.js';

const GRACE_MS = 3000;

const OUTAGES = [
  {
    name: 'stopped',
    begin: ({ database }: FaultNode) => {
      database.refuse(true);
      database.cut();
    },
    end: ({ database }: FaultNode) => database.refuse(false),
  },
  {
    name: 'hung',
    begin: ({ database }: FaultNode) => database.hold(),
    end: ({ database }: FaultNode) => database.release(),
  },
] as const;

describe('a database that is out, with Redis there', () => {
  const stage = useStage();
  let near: FaultNode;
  let far: FaultNode;
  beforeEach(async () => {
    const options = { policy: multiDevice(), timing: SHORT_TIMING };
    [near] = (await stage.openAll(1, options)) as [FaultNode];
    [far] = (await stage.openAll(1, { ...options, nearCache: false })) as [FaultNode];
    await untilWell([near, far]);
  });

  const stored = async (login: LoginResult) => String(await stage.redisCommand('GET', keyOf(login)));
  const refused = (work: Promise<unknown>) =>
    timed(
      work.then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    );

  it.each(OUTAGES)(
    'F12, F13, F14: $name: what is remembered answers for the grace, then nobody knows; nothing else is done',
    async ({ begin, end }) => {
      const nodes = [near, far];
      const witness = stage.witness(nodes);
      const live = await near.tokens.login('live');
      const left = await near.tokens.login('left');
      const target = await near.tokens.login('target');
      witness.watch(live, left, target);
      await untilRemembered([near], live);
      await until(async () => (await stored(live)).startsWith('L'));
      await witness.ending([left], () => near.tokens.logout(left.accessToken));
      await until(async () => (await stored(left)).startsWith('T'));

      nodes.forEach(begin);
      const startedAt = performance.now();
      const tasks = await Promise.all([
        refused(near.tokens.login('new')),
        refused(far.operators.kickUser('target', KICK)),
        refused(near.tokens.refresh(target.refreshToken)),
        refused(far.sessions.list('live')),
      ]);
      expect(tasks.map(({ value }) => value)).toEqual(tasks.map(() => 'SESSION_STORE_UNAVAILABLE'));
      for (const { ms } of tasks) expect(ms).toBeLessThan(END_BUDGET_MS + SLACK_MS);
      // After it: 503, not a 401 for which clients throw good tokens away.
      await until(async () => (await verdictsOf(nodes, live)).every((verdict) => verdict === 'UNKNOWN'));
      expect(performance.now() - startedAt).toBeLessThan(END_BUDGET_MS + GRACE_MS + SLACK_MS);
      expect(await verdictsOf(nodes, left)).toEqual(['UNKNOWN', 'UNKNOWN']);
      expect(await near.tokens.verify(`${live.accessToken.slice(0, -1)}.`)).toMatchObject({ status: 'INVALID' });

      nodes.forEach(end);
      for (const node of nodes) await until(async () => (await verdictOf(node, live)) === 'VALID');
      expect(await verdictsOf(nodes, left)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
      await untilWell(nodes);
      expect(await witness.ending([target], () => far.operators.kickUser('target', KICK))).toBe(1);
      expect(await verdictsOf(nodes, target)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
      await witness.close({ mayBeUnknown: true });
    },
  );

  it('F12: answers from memory and from Redis meanwhile, a good token and one that was ended', async () => {
    const live = await near.tokens.login('live');
    const left = await near.tokens.login('left');
    await untilRemembered([near], live);
    await until(async () => (await stored(live)).startsWith('L'));
    await far.tokens.logout(left.accessToken);
    await until(async () => (await stored(left)).startsWith('T'));
    for (const node of [near, far]) node.database.hold();
    // Noticed: from here on it is not the freshness of a poll that lets them answer.
    await until(() => [near, far].every(({ runtime }) => runtime.coherence.presence.pollAge > 2200));
    expect(await verdictsOf([near, far], live)).toEqual(['VALID', 'VALID']);
    expect(await verdictsOf([near, far], left)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
    expect(near.runtime.stats.of('memory', 'VALID')).toBeGreaterThan(0);
    expect(far.runtime.stats.of('shared', 'VALID')).toBeGreaterThan(0);
  });

  it('F14: out for one node only: it hears of an end by a message, confirms it, and refuses', async () => {
    const witness = stage.witness([near, far]);
    const login = await far.tokens.login('alice');
    witness.watch(login);
    await untilRemembered([near], login);
    near.database.hold();
    const kick = await timed(witness.ending([login], () => far.operators.kickUser('alice', KICK)));
    expect(kick.ms).toBeLessThan(GRACE_MS);
    await until(async () => (await stored(login)).startsWith('T'));
    expect(await verdictsOf([near, far], login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    near.database.release();
    await witness.close({ mayBeUnknown: true });
  });

  it('F11, F14: a node that is cut off from everything: an end is acknowledged when it can accept nothing', async () => {
    const witness = stage.witness([near, far]);
    const login = await far.tokens.login('alice');
    const other = await far.tokens.login('bob');
    witness.watch(login, other);
    await untilRemembered([near], login);
    await untilRemembered([near], other);
    near.database.hold();
    near.redis.hold();
    await witness.ending([login], () => far.operators.kickUser('alice', KICK));
    expect(await verdictsOf([near, far], login)).toEqual(['UNKNOWN', 'SESSION_KICKED']);
    expect(await verdictsOf([near, far], other)).toEqual(['UNKNOWN', 'VALID']);
    near.database.release();
    near.redis.release();
    await untilWell([near, far]);
    expect(await verdictsOf([near, far], login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    expect(await verdictsOf([near, far], other)).toEqual(['VALID', 'VALID']);
    await witness.close({ mayBeUnknown: true });
  });
});
