import { describe, expect, it, jest } from '@jest/globals';
import type { LoginResult, RefreshResult } from 'nestjs-latchkey';
import { type Call, type LoginOutcome, type VerifyOutcome, spread } from '../support/nodes.js';
import { sized } from '../support/size.js';
import { timed, until } from '../support/until.js';
import { END_BUDGET_MS } from './budgets.js';
import { type FaultNode, type ProcessNode, keyOf, untilWell, verdictsOf, KICK, useStage } from './stage.js';
import { liveThrough, openAlive } from './story.js';

const HOUR_MS = 3_600_000;

describe('several processes', () => {
  const stage = useStage();

  /** What each process makes of a token. */
  const verdictsIn = async (nodes: readonly ProcessNode[], { accessToken }: Pick<LoginResult, 'accessToken'>) => {
    const outcomes = await Promise.all(
      nodes.map(({ node }) => node.call('verify', accessToken) as Promise<VerifyOutcome>),
    );
    return outcomes.map(({ value }) => (value!.status === 'INVALID' ? value!.reason : value!.status));
  };

  it('F20: parallel logins of one user, whatever Redis does: one token is good, and all nodes agree which', async () => {
    const nodes = await Promise.all([1, 2, 3].map(() => stage.openProcess()));
    const all = nodes.map(({ node }) => node);
    const disturbances: (() => unknown)[] = [
      () => undefined,
      () => nodes[0]!.redis.hold(),
      () => nodes[1]!.redis.cut(),
      () => nodes[0]!.redis.release(),
      () => stage.redisCommand('FLUSHALL'),
      () => stage.server.kill(),
      () => stage.restart(),
    ];
    for (const disturb of disturbances) {
      const calls = Array.from({ length: 9 }, (): Call => ['login', 'alice', {}]);
      const [outcomes] = await Promise.all([spread(all, calls) as Promise<LoginOutcome[]>, disturb()]);
      expect(outcomes.flatMap(({ error }) => error ?? [])).toEqual([]);
      const verdicts = await Promise.all(outcomes.map(({ value }) => verdictsIn(nodes, value!)));
      for (const verdict of verdicts) expect(new Set(verdict).size).toBe(1);
      const [good, ...others] = verdicts.map(([verdict]) => verdict!).sort((one) => (one === 'VALID' ? -1 : 1));
      expect(good).toBe('VALID');
      expect([...new Set(others)]).toEqual(['SESSION_REPLACED']);
    }
  });

  it('F30, A61: hosts whose clocks are a day wrong share copies with the others, and all judge alike', async () => {
    const [right, fast, slow] = await Promise.all([
      stage.openProcess(),
      stage.openProcess({ clockOffsetMs: 26 * HOUR_MS }),
      stage.openProcess({ clockOffsetMs: -26 * HOUR_MS }),
    ]);
    const nodes = [right, fast, slow];
    for (const { node } of nodes) {
      const login = ((await node.call('login', 'alice', {})) as LoginOutcome).value!;
      expect(Math.abs(login.session.createdAt - Date.now())).toBeLessThan(HOUR_MS);
      await until(async () => {
        expect(await verdictsIn(nodes, login)).toEqual(['VALID', 'VALID', 'VALID']);
        return (await stage.redisCommand('EXISTS', keyOf(login))) === 1;
      });
      const [, , readAt] = String(await stage.redisCommand('GET', keyOf(login))).split(':');
      expect(Math.abs(Number(readAt) - Date.now())).toBeLessThan(HOUR_MS);
      const renewed = (await fast.node.call<RefreshResult>('refresh', login.refreshToken)).value!;
      expect(await verdictsIn(nodes, renewed)).toEqual(['VALID', 'VALID', 'VALID']);
      expect((await slow.node.call('kickUser', 'alice', KICK)).value).toBe(1);
      for (const token of [login, renewed]) {
        expect(await verdictsIn(nodes, token)).toEqual(['SESSION_KICKED', 'SESSION_KICKED', 'SESSION_KICKED']);
      }
    }
  });

  const settings: readonly [string, (now: number, before: number) => number][] = [
    ['back', (now) => now - 26 * HOUR_MS],
    ['forward', (now) => now + 26 * HOUR_MS],
    ['to a halt', (_now, before) => before],
  ];
  it.each(sized(settings))('F30: the clock of the hosts is set %s meanwhile: nothing changes', async (_how, set) => {
    const { nodes, witness } = await openAlive(stage);
    const now = Date.now.bind(Date);
    const before = now();
    const clock = jest.spyOn(Date, 'now');
    try {
      clock.mockImplementation(() => set(now(), before));
      await liveThrough(nodes, witness);
    } finally {
      clock.mockRestore();
    }
    await untilWell(nodes);
    await liveThrough(nodes, witness);
    await witness.close();
  });

  it('F32: a process that stands still while a session ends: it is waited for, and goes by nothing that it remembers', async () => {
    const [first] = (await stage.openAll(1)) as [FaultNode];
    const sleeper = await stage.openProcess();
    await untilWell([first]);
    const ended = [];
    for (const user of ['alice', 'bob', 'carol']) ended.push(await first.tokens.login(user));
    const [kicked, left, replaced] = ended as [LoginResult, LoginResult, LoginResult];
    const other = await first.tokens.login('dave');
    for (let use = 0; use < 3; use++) {
      for (const one of [...ended, other]) expect(await verdictsIn([sleeper], one)).toEqual(['VALID']);
    }
    // No message wakes it up to what has happened, nor does it notice that there is none.
    sleeper.redis.hold();
    sleeper.node.process.kill('SIGSTOP');
    const ends = [
      first.operators.kickUser(kicked.session.userId, KICK),
      first.tokens.logout(left.accessToken),
      first.tokens.login(replaced.session.userId),
    ];
    const { ms } = await timed(Promise.all<unknown>(ends));
    // As long as it might be answering from memory, and no longer.
    expect(ms).toBeGreaterThan(2000);
    expect(ms).toBeLessThan(END_BUDGET_MS);
    // These are there when it wakes.
    const woken = Promise.all([...ended, other].map((login) => verdictsIn([sleeper], login)));
    sleeper.node.process.kill('SIGCONT');
    const reasons = ['SESSION_KICKED', 'SESSION_LOGGED_OUT', 'SESSION_REPLACED'];
    expect((await woken).flat()).toEqual([...reasons, 'VALID']);
    for (const [index, login] of ended.entries()) expect(await verdictsOf([first], login)).toEqual([reasons[index]]);
  });
});
