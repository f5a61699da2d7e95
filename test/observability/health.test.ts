import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { redisCommand } from '../support/redis.js';
import { until } from '../support/until.js';
import { type FaultyNode, Faults, TIMING } from './node-with-faults.js';

/** Within the budget of a verification, give or take what a busy machine adds. */
const IN_TIME_MS = 1000;

let faults: Faults;
beforeEach(async () => {
  faults = await Faults.start();
});
afterEach(() => faults.close());

const becomes = (node: FaultyNode, expected: object) =>
  until(async () => {
    const report = (await node.status.read()) as unknown as Record<string, unknown>;
    return Object.entries(expected).every(([name, value]) => report[name] === value);
  });

const GOOD = { database: 'up', redis: 'up', nearCache: 'on', canVerify: true, silentNodes: 0 };

describe('the status of a server', () => {
  it('is good, and tells what is remembered', async () => {
    const node = await faults.open();
    await becomes(node, { ...GOOD, nearCacheEntries: 0 });
    const { accessToken } = await node.tokens.login('alice');
    await node.tokens.verify(accessToken);
    const { changeLogLagMs, ...rest } = await node.status.read();
    expect(rest).toEqual({ ...GOOD, nearCacheEntries: 1 });
    expect(changeLogLagMs).toBeGreaterThanOrEqual(0);
    expect(changeLogLagMs).toBeLessThan(1000);
  });

  it('asks the database once for all who ask at the same time, and again for who asks later', async () => {
    const { sessions, status } = await faults.open();
    const asked = jest.spyOn(sessions, 'find');
    await Promise.all(Array.from({ length: 20 }, () => status.read()));
    expect(asked).toHaveBeenCalledTimes(1);
    await status.read();
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('follows a Redis that is killed and comes back, on every server', async () => {
    const nodes = [await faults.open(), await faults.open()];
    for (const node of nodes) await becomes(node, GOOD);
    await faults.killRedis();
    // Without messages, two servers must not remember.
    for (const node of nodes) await becomes(node, { ...GOOD, redis: 'down', nearCache: 'off' });
    await faults.restartRedis();
    for (const node of nodes) await becomes(node, GOOD);
  });

  it('takes a Redis that hangs for one that is down, and is answered at once', async () => {
    const node = await faults.open();
    await becomes(node, GOOD);
    faults.redisProxy.hold();
    await becomes(node, { ...GOOD, redis: 'down' });
    const startedAt = performance.now();
    await node.status.read();
    expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
    faults.redisProxy.release();
    await becomes(node, GOOD);
  });

  it('takes a Redis for down whose messages do not arrive', async () => {
    const node = await faults.open();
    await becomes(node, GOOD);
    faults.redisProxy.refuse(true);
    await redisCommand(faults.redisPort, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
    await becomes(node, { redis: 'down' });
    expect(node.runtime.shared!.state).toBe('up');
    faults.redisProxy.refuse(false);
    await becomes(node, GOOD);
  });

  it('follows a database that hangs: it verifies from memory for the outage grace, then not at all', async () => {
    const node = await faults.open();
    await becomes(node, GOOD);
    const { accessToken } = await node.tokens.login('alice');
    await node.tokens.verify(accessToken);
    faults.databaseProxy.hold();
    const startedAt = performance.now();
    expect(await node.status.read()).toMatchObject({ database: 'down' });
    expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
    await becomes(node, { database: 'down', nearCache: 'on', canVerify: true });
    expect(await node.tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
    await becomes(node, { database: 'down', nearCache: 'off', canVerify: false });
    expect(await node.tokens.verify(accessToken)).toMatchObject({ status: 'UNKNOWN' });
    const { changeLogLagMs } = await node.status.read();
    expect(changeLogLagMs).toBeGreaterThan(2000);
    faults.databaseProxy.cut();
    faults.databaseProxy.release();
    await becomes(node, GOOD);
  });

  it('knows what it has not got', async () => {
    const node = await faults.open({ redis: undefined, nearCache: false });
    expect(await node.status.read()).toMatchObject({ database: 'up', redis: 'off', nearCache: 'off', canVerify: true });
    faults.databaseProxy.refuse(true);
    faults.databaseProxy.cut();
    await becomes(node, { database: 'down', canVerify: false });
    faults.databaseProxy.refuse(false);
    await becomes(node, { database: 'up', canVerify: true });
  });

  it('counts on Redis where the process itself remembers nothing', async () => {
    // So long that nothing but the state of Redis can make a difference.
    const node = await faults.open({ nearCache: false, timing: { ...TIMING, outageGrace: '2m' } });
    await becomes(node, { ...GOOD, nearCache: 'off' });
    faults.databaseProxy.hold();
    await becomes(node, { database: 'down', nearCache: 'off', canVerify: true });
    await faults.killRedis();
    await becomes(node, { database: 'down', redis: 'down', canVerify: false });
  });
});
