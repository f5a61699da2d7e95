import { describe, expect, it, jest } from '@jest/globals';
import { SessionStatus, multiDevice } from 'nestjs-latchkey';
import { type FaultNode, type FaultNodeOptions, useStage } from '../faults/stage.js';
import { until } from '../support/until.js';
import { TIMING } from './timing.js';

/** Within the budget of a verification, give or take what a busy machine adds. */
const IN_TIME_MS = 1000;

const stage = useStage();

const open = (options: FaultNodeOptions = {}) => stage.open({ policy: multiDevice(), timing: TIMING, ...options });
const statusOf = ({ context }: FaultNode) => context.get(SessionStatus, { strict: false });
const becomes = (node: FaultNode, expected: object) =>
  until(async () => {
    const report = (await statusOf(node).read()) as unknown as Record<string, unknown>;
    return Object.entries(expected).every(([name, value]) => report[name] === value);
  });

const GOOD = {
  database: 'up',
  redis: 'up',
  nearCache: 'on',
  canVerify: true,
  silentNodes: 0,
  rewrittenEnds: 0,
  oldestMassEndMs: 0,
};

describe('the status of a server', () => {
  it('is good, tells what is remembered, and asks the database once for all who ask at the same time', async () => {
    const node = await stage.open({ policy: multiDevice() });
    await becomes(node, { ...GOOD, nearCacheEntries: 0 });
    const { accessToken } = await node.tokens.login('alice');
    await node.tokens.verify(accessToken);
    const { changeLogLagMs, oldestWriteMs, ...rest } = await statusOf(node).read();
    // Of any transaction of the server, such as that of another test.
    expect(oldestWriteMs).toBeGreaterThanOrEqual(0);
    expect(rest).toEqual({ ...GOOD, nearCacheEntries: 1 });
    expect(changeLogLagMs).toBeGreaterThanOrEqual(0);
    expect(changeLogLagMs).toBeLessThan(1000);

    const asked = jest.spyOn(node.sessions, 'find');
    await Promise.all(Array.from({ length: 20 }, () => statusOf(node).read()));
    expect(asked).toHaveBeenCalledTimes(1);
    await statusOf(node).read();
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('follows a Redis that is killed and comes back, hangs, or whose messages do not arrive', async () => {
    const nodes = [await open(), await open()];
    const [node] = nodes as [FaultNode];
    for (const one of nodes) await becomes(one, GOOD);
    await stage.server.kill();
    // Without messages, two servers must not remember.
    for (const one of nodes) await becomes(one, { ...GOOD, redis: 'down', nearCache: 'off' });
    await stage.restart();
    for (const one of nodes) await becomes(one, GOOD);

    node.redis.hold();
    await becomes(node, { database: 'up', redis: 'down' });
    const startedAt = performance.now();
    await statusOf(node).read();
    expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
    node.redis.release();
    for (const one of nodes) await becomes(one, GOOD);

    node.redis.refuse(true);
    await stage.redisCommand('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await becomes(node, { redis: 'down' });
    expect(node.runtime.shared!.state).toBe('up');
    node.redis.refuse(false);
    await becomes(node, GOOD);
  });

  it('knows what it has not got', async () => {
    const node = await open({ source: null, nearCache: false });
    const without = { database: 'up', redis: 'off', nearCache: 'off', canVerify: true };
    expect(await statusOf(node).read()).toMatchObject(without);
    node.database.refuse(true);
    node.database.cut();
    await becomes(node, { database: 'down', canVerify: false });
    node.database.refuse(false);
    await becomes(node, { database: 'up', canVerify: true });
  });

  it('counts on Redis where the process itself remembers nothing', async () => {
    // So long that nothing but the state of Redis can make a difference.
    const node = await open({ nearCache: false, timing: { ...TIMING, outageGrace: '2m' } });
    await becomes(node, { ...GOOD, nearCache: 'off' });
    node.database.hold();
    await becomes(node, { database: 'down', nearCache: 'off', canVerify: true });
    await stage.server.kill();
    await becomes(node, { database: 'down', redis: 'down', canVerify: false });
  });
});
