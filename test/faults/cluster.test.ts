import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { LoginResult } from 'nestjs-latchkey';
import { localStatus } from 'lib/session-status.js';
import { type RedisCluster, redisCommand, startRedis, startRedisCluster } from '../support/redis.js';
import { until } from '../support/until.js';
import { type FaultNode, keyOf, untilRemembered, untilWell, useStage, verdictOf } from './stage.js';
import { liveThrough } from './story.js';
import type { Witness } from './witness.js';

describe('a Redis Cluster', () => {
  const stage = useStage({ isShared: true });
  let cluster: RedisCluster;
  let nodes: FaultNode[];
  let far: FaultNode;
  let witness: Witness;
  beforeAll(async () => {
    cluster = await startRedisCluster({ masters: 3 });
    stage.atEnd(() => cluster.stop());
    nodes = await stage.openAll(2, { source: cluster.url });
    [far] = (await stage.openAll(1, { source: cluster.url, nearCache: false })) as [FaultNode];
    await untilWell(nodes);
  });
  beforeEach(() => {
    witness = stage.witness([...nodes, far]);
  });
  afterEach(() => witness.close());

  const idOf = (port: number) => redisCommand(port, 'CLUSTER', 'MYID') as Promise<string>;
  const slotOf = (login: LoginResult) =>
    redisCommand(cluster.ports[0]!, 'CLUSTER', 'KEYSLOT', keyOf(login)) as Promise<number>;
  /** First and last slot, and the port of their master. */
  const ownersOf = async () => {
    const slots = (await redisCommand(cluster.ports[0]!, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    return slots.map(([first, last, [, port]]) => [first, last, port] as const);
  };
  const ownerOf = async (slot: number) => (await ownersOf()).find(([first, last]) => slot >= first && slot <= last)![2];
  const copied = async (name: string) => {
    const login = await nodes[0]!.tokens.login(name);
    witness.watch(login);
    const slot = await slotOf(login);
    const port = await ownerOf(slot);
    await until(async () => {
      expect(await verdictOf(far, login)).toBe('VALID');
      return (await redisCommand(port, 'EXISTS', keyOf(login))) === 1;
    });
    return { login, slot, port };
  };
  /** Until the cluster answers. A copy that is too old does not, and the database then puts another in its place. */
  const untilShared = (login: LoginResult) =>
    until(async () => {
      const { stats } = far.runtime;
      const before = stats.of('shared', 'VALID');
      expect(await verdictOf(far, login)).toBe('VALID');
      return stats.of('shared', 'VALID') > before;
    });

  it('F28: a slot that is half moved, and then moved: copies and ends follow it', async () => {
    const { login, slot, port: from } = await copied('mover');
    const to = cluster.ports.find((port) => port !== from)!;
    await redisCommand(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
    await redisCommand(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to));
    await untilShared(login);
    await redisCommand(from, 'MIGRATE', '127.0.0.1', to, keyOf(login), 0, 5000);
    // Now the old owner says ASK.
    await expect(redisCommand(from, 'GET', keyOf(login))).rejects.toThrow('ASK');
    await untilShared(login);
    await untilRemembered(nodes, login);
    await liveThrough(nodes, witness);
    for (const owner of [to, from]) await redisCommand(owner, 'CLUSTER', 'SETSLOT', slot, 'NODE', await idOf(to));
    await expect(redisCommand(from, 'GET', keyOf(login))).rejects.toThrow('MOVED');
    await untilShared(login);
    await witness.ending([login], () => nodes[1]!.tokens.logout(login.accessToken));
    for (const node of [...nodes, far]) expect(await verdictOf(node, login)).toBe('SESSION_LOGGED_OUT');
  });

  it('F28: a master hangs and nobody takes it over: CLUSTERDOWN, and the database answers until it is back', async () => {
    const { login, port } = await copied('orphan');
    const victim = cluster.nodes.find((node) => node.port !== port)!;
    const stateIs = async (state: string) =>
      String(await redisCommand(port, 'CLUSTER', 'INFO')).includes(`cluster_state:${state}`);
    process.kill(victim.pid, 'SIGSTOP');
    try {
      await liveThrough(nodes, witness);
      await until(() => stateIs('fail'));
      await expect(redisCommand(port, 'GET', keyOf(login))).rejects.toThrow('CLUSTERDOWN');
      await until(() => nodes.every(({ runtime }) => localStatus(runtime).redis === 'down'));
      await liveThrough(nodes, witness);
      expect(await verdictOf(far, login)).toBe('VALID');
    } finally {
      process.kill(victim.pid, 'SIGCONT');
    }
    await until(() => stateIs('ok'));
    await untilWell([...nodes, far]);
    await untilShared(login);
    await liveThrough(nodes, witness);
  });

  it('F28: a replica takes a master over: it is followed', async () => {
    const { login, port } = await copied('survivor');
    const replica = await startRedis({ args: ['--cluster-enabled', 'yes', '--repl-diskless-sync-delay', '0'] });
    stage.atEnd(() => replica.stop());
    await redisCommand(replica.port, 'CLUSTER', 'MEET', '127.0.0.1', port);
    const id = await idOf(port);
    await until(async () => String(await redisCommand(replica.port, 'CLUSTER', 'NODES')).includes(id));
    await redisCommand(replica.port, 'CLUSTER', 'REPLICATE', id);
    await until(async () => /master_link_status:up/.test(String(await redisCommand(replica.port, 'INFO'))));
    await redisCommand(replica.port, 'CLUSTER', 'FAILOVER', 'TAKEOVER');
    await liveThrough(nodes, witness);
    await until(async () => (await ownerOf(await slotOf(login))) === replica.port);
    await untilShared(login);
    const [later] = await liveThrough(nodes, witness);
    await untilRemembered(nodes, later!);
  });
});
