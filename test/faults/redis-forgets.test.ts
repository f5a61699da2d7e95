import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, fixed, multiDevice } from 'nestjs-latchkey';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until.js';
import { BUDGETS } from './budgets.js';
import {
  type FaultNode,
  keyOf,
  untilRemembered,
  untilWell,
  verdictOf,
  verdictsOf,
  whileRepeating,
  KICK,
  useStage,
} from './stage.js';
import { liveThrough, openAlive } from './story.js';

describe('a Redis that forgets, or remembers what was long ago', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'session-test-'));
  });
  const stage = useStage({ redis: () => ({ dir }) });
  afterEach(() => rmSync(dir, { recursive: true }));

  const stored = (login: Parameters<typeof keyOf>[0]) => stage.redisCommand('GET', keyOf(login));
  const kindOf = async (login: Parameters<typeof keyOf>[0]) => String(await stored(login))[0];
  const untilKind = (login: Parameters<typeof keyOf>[0], kind: 'L' | 'T') =>
    until(async () => (await kindOf(login)) === kind);

  it('F8, F22: restarts empty: what is good stays good, what was ended stays ended', async () => {
    const { nodes, witness, logins: before } = await openAlive(stage);
    await stage.server.kill();
    await stage.restart();
    expect(await stage.redisCommand('DBSIZE')).toBe(0);
    await untilWell(nodes);
    for (const login of before) await untilRemembered(nodes, login);
    await liveThrough(nodes, witness);
    // The same without a restart, again and again.
    await whileRepeating(
      () => stage.redisCommand('FLUSHALL'),
      () => liveThrough(nodes, witness),
    );
    await witness.close();
  });

  it('F9, F22: restarts with an old snapshot: no acknowledged end is undone, on no node that was or comes', async () => {
    const options = { policy: multiDevice(), tokens: accessAndRefresh({ grace: '0s' }) };
    const near = await stage.openAll(2, options);
    const far = await stage.openAll(1, { ...options, nearCache: false });
    const nodes = [...near, ...far];
    const [{ tokens, operators }] = near as [FaultNode];
    const witness = stage.witness(nodes);
    const [live, kicked, left, old] = await Promise.all(
      ['live', 'kicked', 'left', 'old'].map((name) => tokens.login(name)),
    );
    const logins = [live!, kicked!, left!, old!];
    witness.watch(...logins);
    for (const login of logins) {
      await untilRemembered(near, login);
      await untilKind(login, 'L');
    }
    await stage.redisCommand('SAVE');

    await witness.ending([kicked!], () => operators.kickUser('kicked', KICK));
    await witness.ending([left!], () => far[0]!.tokens.logout(left!.accessToken));
    const successor = await witness.ending([old!], () => tokens.refresh(old!.refreshToken));
    witness.watch({ ...old!, ...successor });
    for (const login of [kicked!, left!]) await untilKind(login, 'T');
    await stage.server.kill();
    await stage.restart({ dir });
    expect(await Promise.all(logins.map(kindOf))).toEqual(['L', 'L', 'L', 'L']);
    await untilWell(nodes);

    const newcomer = (await stage.openAll(1, { ...options, nearCache: false }))[0]!;
    const all = [...nodes, newcomer];
    const everywhere = async () => {
      expect(await verdictsOf(all, kicked!)).toEqual(all.map(() => 'SESSION_KICKED'));
      expect(await verdictsOf(all, left!)).toEqual(all.map(() => 'SESSION_LOGGED_OUT'));
      expect(await verdictsOf(all, old!)).toEqual(all.map(() => 'TOKEN_EXPIRED'));
      expect(await verdictsOf(all, { ...old!, ...successor })).toEqual(all.map(() => 'VALID'));
      expect(await verdictsOf(all, live!)).toEqual(all.map(() => 'VALID'));
    };
    await everywhere();
    // The snapshot was read: what is still true of it answered.
    expect(newcomer.runtime.stats.of('shared', 'VALID')).toBeGreaterThan(0);
    // What was found out is remembered from here on.
    for (const login of [kicked!, left!]) await untilKind(login, 'T');
    await everywhere();
    await expect(newcomer.tokens.refresh(old!.refreshToken)).rejects.toMatchObject({ code: 'REFRESH_REUSED' });
    expect(await verdictsOf(all, { ...old!, ...successor })).toEqual(all.map(() => 'REFRESH_REUSED'));
    await witness.stop();
  });

  it('has an old copy of a session whose end is in no change log any more: it is too old to be used', async () => {
    const timing = { ...BUDGETS, poll: '200ms', copyAge: '3s' } as const;
    const options = { policy: multiDevice(), nearCache: false, timing } as const;
    const first = (await stage.openAll(1, options))[0]!;
    const login = await first.tokens.login('alice');
    expect(await verdictOf(first, login)).toBe('VALID');
    await untilKind(login, 'L');
    const copy = String(await stored(login));
    const readAt = Number(copy.split(':')[2]);
    await first.operators.kickUser('alice', KICK);
    await (await stage.database.connect()).query('DELETE FROM latchkey_change');
    await untilKind(login, 'T');
    await stage.redisCommand('SET', keyOf(login), copy);
    const second = (await stage.openAll(1, options))[0]!;
    await until(() => second.tokens.now() >= readAt + 3000);
    expect(await kindOf(login)).toBe('L');
    expect(await verdictOf(second, login)).toBe('SESSION_KICKED');
  });

  it('F25: throws keys away for lack of memory: nothing is accepted for it, nothing good refused', async () => {
    const { nodes, witness, logins: before } = await openAlive(stage);
    await stage.redisCommand('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await stage.redisCommand('CONFIG', 'SET', 'maxmemory', '4mb');
    let key = 0;
    await whileRepeating(
      () => stage.redisCommand('SET', `other-${key++}`, 'x'.repeat(100_000)),
      async () => {
        await until(async () => (await stage.redisCommand('EXISTS', ...before.map((one) => keyOf(one)))) === 0);
        await liveThrough(nodes, witness);
      },
    );
    await witness.close();
  });

  it('F26, A65: is full and throws nothing away: logins, ends and requests go on', async () => {
    const {
      nodes,
      witness,
      logins: [login],
    } = await openAlive(stage);
    await untilKind(login!, 'L');
    await stage.redisCommand('CONFIG', 'SET', 'maxmemory', '1');
    await expect(stage.redisCommand('SET', 'any', 'thing')).rejects.toThrow('OOM');
    await liveThrough(nodes, witness);
    await witness.ending([login!], () => nodes[1]!.tokens.logout(login!.accessToken));
    // There is no room for the tombstone, but there is for nothing.
    await until(async () => (await stored(login!)) === null);
    await stage.redisCommand('CONFIG', 'SET', 'maxmemory', '0');
    const [later] = await liveThrough(nodes, witness);
    await untilKind(later!, 'L');
    await witness.close();
  });

  it('F31, A60: whose clock is wrong: a key that stays too long prolongs nothing, one that goes too soon ends nothing', async () => {
    const options = { policy: multiDevice(), nearCache: false } as const;
    const short = (await stage.openAll(1, { ...options, tokens: fixed({ ttl: '2s' }) }))[0]!;
    const login = await short.tokens.login('alice');
    expect(await verdictOf(short, login)).toBe('VALID');
    await untilKind(login, 'L');
    expect(await stage.redisCommand('PERSIST', keyOf(login))).toBe(1);
    const { stats } = short.runtime;
    expect(await verdictOf(short, login)).toBe('VALID');
    expect(stats.of('shared', 'VALID')).toBe(1);
    await until(async () => (await verdictOf(short, login)) === 'TOKEN_EXPIRED');
    expect(await kindOf(login)).toBe('L');

    const long = (await stage.openAll(1, options))[0]!;
    const other = await long.tokens.login('bob');
    expect(await verdictOf(long, other)).toBe('VALID');
    await untilKind(other, 'L');
    await stage.redisCommand('PEXPIRE', keyOf(other), 1);
    await until(async () => (await stored(other)) === null);
    expect(await verdictsOf([long, short], other)).toEqual(['VALID', 'VALID']);
  });
});
