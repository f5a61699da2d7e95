import { beforeEach, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { type RedisServer, redisCommand, startRedis, startRedisSentinel } from '../support/redis.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { timed, until } from '../support/until.js';
import { END_BUDGET_MS } from './budgets.js';
import { type FaultNode, isWell, keyOf, untilRemembered, untilWell, verdictsOf, KICK, useStage } from './stage.js';
import { liveThrough } from './story.js';

describe('a Redis with a replica', () => {
  const stage = useStage({ redis: () => ({ args: ['--repl-diskless-sync-delay', '0'] }) });
  let replica: RedisServer;
  /** From the replica to the master. */
  let link: TcpProxy;
  beforeEach(async () => {
    link = await stage.proxy(stage.redisPort);
    replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${link.port}`] });
    stage.atEnd(() => replica.stop());
    await until(async () => /master_link_status:up/.test(String(await redisCommand(replica.port, 'INFO'))));
  });

  const promote = () => redisCommand(replica.port, 'REPLICAOF', 'NO', 'ONE');
  const moveTo = (nodes: readonly FaultNode[], port: number) => {
    for (const node of nodes) {
      node.redis.target = port;
      node.redis.cut();
    }
  };
  const kindOn = async (port: number, login: Parameters<typeof keyOf>[0]) =>
    String(await redisCommand(port, 'GET', keyOf(login)))[0];

  it('F10, F22: a failover that loses writes undoes no end and loses no login', async () => {
    const near = await stage.openAll(2, { policy: multiDevice() });
    const far = await stage.openAll(1, { policy: multiDevice(), nearCache: false });
    const nodes = [...near, ...far];
    const [{ tokens, operators }] = near as [FaultNode];
    const witness = stage.witness(nodes);
    const kicked = await tokens.login('kicked');
    const live = await tokens.login('live');
    witness.watch(kicked, live);
    for (const login of [kicked, live]) {
      await untilRemembered(near, login);
      await until(async () => (await kindOn(replica.port, login)) === 'L');
    }

    link.hold();
    await witness.ending([kicked], () => operators.kickUser('kicked', KICK));
    const late = await tokens.login('late');
    witness.watch(late);
    await until(async () => (await kindOn(stage.redisPort, kicked)) === 'T');
    await stage.server.kill();
    await promote();
    expect(await kindOn(replica.port, kicked)).toBe('L');
    moveTo(nodes, replica.port);
    await untilWell(nodes);
    const newcomer = (
      await stage.openAll(1, { policy: multiDevice(), nearCache: false, source: { port: replica.port } })
    )[0]!;

    const all = [...nodes, newcomer];
    expect(await verdictsOf(all, kicked)).toEqual(all.map(() => 'SESSION_KICKED'));
    for (const login of [live, late]) expect(await verdictsOf(all, login)).toEqual(all.map(() => 'VALID'));
    expect(newcomer.runtime.stats.of('shared', 'VALID')).toBeGreaterThan(0);
    await witness.close();
  });

  it('F11: two halves that both serve: an end in one is acknowledged when the other has it from the database', async () => {
    const nodes = await stage.openAll(2);
    const [first, second] = nodes as [FaultNode, FaultNode];
    const witness = stage.witness(nodes);
    const remembered = await liveThrough(nodes, witness);
    link.hold();
    await promote();
    moveTo([second], replica.port);
    await until(() => !isWell(second));
    await untilWell(nodes);
    for (const login of remembered) await untilRemembered(nodes, login);

    const [one, other] = remembered as [(typeof remembered)[0], (typeof remembered)[0]];
    const there = await timed(witness.ending([one], () => second.operators.kick(one.session.id, KICK)));
    expect(await verdictsOf(nodes, one)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    const here = await timed(witness.ending([other], () => first.tokens.logout(other.accessToken)));
    expect(await verdictsOf(nodes, other)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
    // By their polls, not because a budget was over.
    for (const { ms } of [there, here]) expect(ms).toBeLessThan(END_BUDGET_MS / 2);
    // Each has its own half, which answers, and both use what they remember.
    expect(nodes.map(isWell)).toEqual([true, true]);
    await liveThrough(nodes, witness);
    await witness.close();
  });

  it('F29: that a URL leads to by mistake, and that is far behind: it decides nothing', async () => {
    const [first] = (await stage.openAll(1)) as [FaultNode];
    const mistaken = await stage.open({ source: { port: replica.port } });
    const nodes = [first, mistaken];
    const witness = stage.witness(nodes);
    const [login] = await liveThrough(nodes, witness);
    await until(async () => {
      await verdictsOf(nodes, login!);
      return (await kindOn(replica.port, login!)) === 'L';
    });
    link.hold();
    await witness.ending([login!], () => first.tokens.logout(login!.accessToken));
    expect(await kindOn(replica.port, login!)).toBe('L');
    expect(await verdictsOf(nodes, login!)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
    await liveThrough(nodes, witness);
    await witness.close();
  });
});

describe('sentinels', () => {
  const stage = useStage();
  it('F10: replace a master that was killed: the database answers meanwhile, then the new one is used', async () => {
    const sentinel = await startRedisSentinel();
    stage.atEnd(() => sentinel.stop());
    const nodes = await stage.openAll(2, { source: sentinel.url });
    const witness = stage.witness(nodes);
    const before = await liveThrough(nodes, witness);
    // It may be over before what follows is.
    const isNoticed = Promise.all(nodes.map((node) => until(() => !isWell(node))));
    await sentinel.master.kill();
    await liveThrough(nodes, witness);
    await isNoticed;
    await untilWell(nodes);
    for (const login of before) await untilRemembered(nodes, login);
    const [login] = await liveThrough(nodes, witness);
    await untilRemembered(nodes, login!);
    expect(await redisCommand(sentinel.replica.port, 'EXISTS', keyOf(login!))).toBe(1);
    await witness.close();
  });
});
