import { beforeAll, describe, expect, it } from '@jest/globals';
import { type LoginResult, type SessionLife, accessAndRefresh, multiDevice, sliding } from 'nestjs-latchkey';
import { databaseKinds } from '../support/databases.js';
import type { Services } from '../support/sessions.js';
import { HOUR, MINUTE, useSessions } from './harness.js';

/** Two flushes. */
const SLACK = 10 * MINUTE;
const SLIDING = { tokens: sliding({ ttl: '10m', renewWithin: '9m', maxAge: '90d' }) };
const REFRESH = { tokens: accessAndRefresh({ access: '10m', refresh: '30d', maxAge: '90d' }) };
const LIFE: SessionLife = { maxAge: '1h' };

async function verdict({ tokens }: Services, { accessToken }: { readonly accessToken: string }): Promise<string> {
  const answer = await tokens.verify(accessToken, { activity: false });
  return answer.status === 'INVALID' ? answer.reason : answer.status;
}

describe.each(databaseKinds)('a login with a life of its own on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), ...SLIDING });
  const { clock } = harness;
  let other: Services;
  /** In the mode with refresh tokens. */
  let pairs: Services;
  let user = 0;

  beforeAll(async () => {
    other = await harness.another();
    pairs = await harness.another(REFRESH);
  });

  const login = (life: SessionLife, node: Services = harness) => node.tokens.login(`user-${++user}`, { life });

  it('of an hour under a module of 90 days is over after it, on every node, however often it was renewed', async () => {
    const { accessToken, session } = await login(LIFE);
    expect(session.expiresAt).toBe(clock.now() + HOUR);
    let held = { accessToken };
    const seen = new Set([accessToken]);
    for (let minute = 0; minute < 55; minute += 5) {
      clock.advance(5 * MINUTE);
      const answer = await [harness, other][(minute / 5) % 2]!.tokens.verify(held.accessToken);
      if (answer.status === 'VALID' && answer.renewed) {
        expect(answer.renewed.accessExpiresAt).toBeLessThanOrEqual(session.expiresAt);
        held = answer.renewed;
        seen.add(held.accessToken);
      }
    }
    expect(seen.size).toBeGreaterThan(4);
    clock.advance(5 * MINUTE - 1);
    for (const node of [harness, other]) expect(await verdict(node, held)).toBe('VALID');
    clock.advance(1);
    for (const node of [harness, other]) expect(await verdict(node, held)).toBe('SESSION_EXPIRED');
    expect(await verdict(await harness.another(), held)).toBe('SESSION_EXPIRED');
  });

  it('is over after its hour through refreshes and changes of the mode, there and back', async () => {
    const first = await login({ ...LIFE, refresh: '20m' }, pairs);
    const end = first.session.expiresAt;
    const refresh = ({ refreshToken }: Pick<LoginResult, 'refreshToken'>) => pairs.tokens.refresh(refreshToken);
    expect(first).toMatchObject({ refreshExpiresAt: end - 40 * MINUTE, session: { refreshMs: 20 * MINUTE } });
    clock.advance(15 * MINUTE);
    const second = await refresh(first);
    expect(second.refreshExpiresAt).toBe(end - 25 * MINUTE);
    clock.advance(15 * MINUTE);
    const third = await refresh(second);
    // The harness slides: from here on, the server renews what the refresh gave.
    const slid = await harness.tokens.refresh(third.refreshToken);
    expect(slid.refreshToken).toBeUndefined();
    clock.advance(8 * MINUTE);
    const answer = await other.tokens.verify(slid.accessToken);
    const renewed = (answer.status === 'VALID' && answer.renewed) || slid;
    expect(renewed).not.toBe(slid);
    expect(await verdict(pairs, renewed)).toBe('VALID');
    for (let held: { readonly accessToken: string } = renewed; clock.now() < end; clock.advance(4 * MINUTE)) {
      const next = await harness.tokens.verify(held.accessToken);
      if (next.status === 'VALID' && next.renewed) held = next.renewed;
      expect(await verdict(pairs, held)).toBe('VALID');
    }
    for (const held of [renewed, third]) {
      expect(['SESSION_EXPIRED', 'TOKEN_EXPIRED']).toContain(await verdict(harness, held));
    }
    await expect(refresh(third)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
  });

  it('and a refresh token that was not used for its own life is over, and outlived by no access token', async () => {
    const { refreshToken } = await login({ refresh: '10m' }, pairs);
    clock.advance(10 * MINUTE);
    await expect(pairs.tokens.refresh(refreshToken)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    const { refreshToken: held } = await login({ refresh: '10m' }, pairs);
    const longer = await harness.another({ tokens: accessAndRefresh({ access: '1h', refresh: '30d' }) });
    const next = await longer.tokens.refresh(held);
    expect([next.accessExpiresAt, next.refreshExpiresAt]).toEqual([
      clock.now() + 10 * MINUTE,
      clock.now() + 10 * MINUTE,
    ]);
  });
});

describe.each(databaseKinds)('an idle timeout of a login on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), tokens: sliding({ ttl: '12h' }) });
  const { clock } = harness;
  let user = 0;
  const login = (life: SessionLife) => harness.tokens.login(`idler-${++user}`, { life });
  const endOf = async ({ session }: LoginResult) => (await harness.sessions.find(session.id))!.end;

  it('is judged by every node', async () => {
    const nodes = [harness, await harness.another()];
    const held = [await login({ idleTimeout: '30m' }), await login({ idleTimeout: '30m' })];
    expect(held[0]!.session).toMatchObject({ idleMs: 30 * MINUTE, refreshMs: null });
    clock.advance(30 * MINUTE + SLACK - 1);
    for (const node of nodes) for (const one of held) expect(await verdict(node, one)).toBe('VALID');
    clock.advance(1);
    for (const [index, node] of nodes.entries()) expect(await verdict(node, held[index]!)).toBe('SESSION_IDLE');
    for (const one of held) {
      expect(await endOf(one)).toMatchObject({ reason: 'SESSION_IDLE', at: clock.now() - SLACK });
    }
  });

  it('is kept by the sweep of another node, to the moment, and put off by uses', async () => {
    const other = await harness.another();
    const [unused, used, plain] = [
      await login({ idleTimeout: '30m' }),
      await login({ idleTimeout: '30m' }),
      await login({}),
    ];
    const start = clock.now();
    clock.advance(20 * MINUTE);
    await harness.tokens.verify(used.accessToken);
    await harness.runtime.activity.flush();
    clock.advance(10 * MINUTE + SLACK - 1);
    await other.runtime.sweep();
    expect(await endOf(unused)).toBeNull();
    clock.advance(1);
    await other.runtime.sweep();
    expect(await endOf(unused)).toMatchObject({ reason: 'SESSION_IDLE', by: 'system', at: start + 30 * MINUTE });
    expect([await endOf(used), await endOf(plain)]).toEqual([null, null]);
    clock.advance(20 * MINUTE);
    await other.runtime.sweep();
    expect(await endOf(used)).toMatchObject({ reason: 'SESSION_IDLE', at: start + 50 * MINUTE });
    expect(await endOf(plain)).toBeNull();
  });

  it('is not told by the absence of uses that could not be written', async () => {
    const [short, long] = [await login({ idleTimeout: '15m' }), await login({ idleTimeout: '2h' })];
    clock.advance(2 * HOUR);
    harness.runtime.activity.lostAt = clock.now() - 30 * MINUTE;
    clock.advance(SLACK);
    await harness.runtime.sweep();
    expect(await endOf(short)).toMatchObject({ reason: 'SESSION_IDLE' });
    expect(await endOf(long)).toBeNull();
    harness.runtime.activity.lostAt = -Infinity;
    await harness.runtime.sweep();
    expect(await endOf(long)).toMatchObject({ reason: 'SESSION_IDLE' });
  });

  it.each([
    { name: 'a shorter one of the module', options: { idleTimeout: '30m' }, idleMs: 30 * MINUTE },
    { name: 'none of the module', options: {}, idleMs: 2 * HOUR },
    { name: 'a longer one of the module', options: { idleTimeout: '1d' }, idleMs: 2 * HOUR },
    {
      name: 'a shorter one with allowLongerLife',
      options: { idleTimeout: '30m', allowLongerLife: true },
      idleMs: 2 * HOUR,
    },
  ] as const)('is made shorter by a change of the configuration, never longer: $name', async ({ options, idleMs }) => {
    const node = await harness.another(options);
    const [verified, swept, plain] = [
      await login({ idleTimeout: '2h' }),
      await login({ idleTimeout: '2h' }),
      await login({}),
    ];
    const start = clock.now();
    clock.advance(idleMs + SLACK - 1);
    await node.runtime.sweep();
    expect(await endOf(swept)).toBeNull();
    expect(await verdict(node, verified)).toBe('VALID');
    clock.advance(1);
    expect(await verdict(node, verified)).toBe('SESSION_IDLE');
    await node.runtime.sweep();
    for (const one of [verified, swept]) {
      expect(await endOf(one)).toMatchObject({ reason: 'SESSION_IDLE', at: start + idleMs });
    }
    const isOver = 'idleTimeout' in options && options.idleTimeout === '30m';
    expect(await endOf(plain)).toEqual(isOver ? expect.objectContaining({ at: start + 30 * MINUTE }) : null);
    await node.close();
  });
});
