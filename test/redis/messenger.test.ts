import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Socket } from 'node:net';
import { tombstoneOf } from 'lib/session-change.js';
import { endedRecord } from '../cache/records.js';
import { redisCommand, redisPrefix } from '../support/redis.js';
import { until } from '../support/until.js';
import { useBackends } from './backends.js';

const HEARTBEAT = 600;
const tombstone = () => tombstoneOf(endedRecord())!;

describe('messages through Redis', () => {
  const backends = useBackends();
  const direct = () => backends.start(backends.server.url);
  const through = () => backends.startThroughProxy({}, { heartbeatMs: HEARTBEAT });

  it('reach all nodes of the module, this one included, and answers one', async () => {
    const [one, other] = [await direct(), await direct()];
    const strangers = [
      await backends.start(backends.server.url, {}, { realm: 'admins' }),
      await backends.start(backends.server.url, { prefix: redisPrefix() }),
    ];
    await one.backend.messenger.send('to all');
    await one.backend.messenger.answer(other.nodeId, 'to one');
    await other.backend.messenger.answer(one.nodeId, 'back');
    await until(() => one.messages.length + other.messages.length + one.answers.length + other.answers.length === 4);
    expect([one.messages, other.messages]).toEqual([['to all'], ['to all']]);
    expect([one.answers, other.answers]).toEqual([['back'], ['to one']]);
    expect(strangers.map(({ messages, answers }) => [...messages, ...answers])).toEqual([[], []]);
  });

  it('are written at once, with what was to be written later in the same turn', async () => {
    const client = new Redis(backends.server.url);
    const node = await backends.start(client);
    const corked = () => (client as unknown as { stream: Socket }).stream.writableCorked;
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    await turn();
    expect(corked()).toBe(0);
    const first = node.backend.cache.bury([tombstone()]);
    await Promise.resolve();
    expect(corked()).toBe(1);
    const sent = node.backend.messenger.send('to all');
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(corked()).toBe(0);
    // What comes after it in that turn is gathered again.
    const next = node.backend.cache.bury([tombstone()]);
    expect(corked()).toBe(1);
    await turn();
    await turn();
    expect(corked()).toBe(0);
    await Promise.all([first, next, sent]);
    await until(() => node.messages.length === 1);
    await backends.stop();
    client.disconnect();
  });

  it('are heard of by none of the heartbeats that watch over the link', async () => {
    const node = await through();
    const published = async () =>
      Number(
        /cmdstat_publish:calls=(\d+)/.exec(
          String(await redisCommand(backends.server.port, 'INFO', 'commandstats')),
        )?.[1],
      );
    const before = await published();
    await until(async () => (await published()) >= before + 5);
    expect([node.messages, node.answers, node.links]).toEqual([[], [], [true]]);
  });

  it('are cut off at once where the connection closes, and arrive again by themselves', async () => {
    const [node, other] = [await through(), await direct()];
    backends.proxy.cut();
    await until(() => node.links.length >= 2);
    expect(node.links.slice(0, 2)).toEqual([true, false]);
    await until(() => node.backend.messenger.isConnected && node.backend.state === 'up');
    await other.backend.messenger.send('again');
    await until(() => node.messages.includes('again'));
  });

  it("that cannot be sent are nobody's failure", async () => {
    const node = await through();
    backends.proxy.refuse(true);
    backends.proxy.cut();
    await until(() => node.backend.state === 'down');
    await node.backend.messenger.send('lost');
    await node.backend.messenger.answer(node.nodeId, 'lost');
    expect(node.backend.messenger.isConnected).toBe(false);
  });

  it('come to no one who has stopped, and no connection is left', async () => {
    const count = async () =>
      String(await redisCommand(backends.server.port, 'CLIENT', 'LIST', 'TYPE', 'pubsub')).split('id=').length - 1;
    const normal = async () =>
      String(await redisCommand(backends.server.port, 'CLIENT', 'LIST', 'TYPE', 'normal')).split('id=').length - 1;
    await until(async () => (await count()) === 0 && (await normal()) === 1);
    const node = await direct();
    expect([await count(), await normal()]).toEqual([1, 2]);
    await node.backend.stop();
    await until(async () => (await count()) === 0 && (await normal()) === 1);
    expect([node.links, node.backend.messenger.isConnected]).toEqual([[true], false]);
  });
});
