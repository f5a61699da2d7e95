import { startRedis } from './redis.mjs';
import { redisCommand, untilReply } from './resp.mjs';

/** @typedef {import('./redis.mjs').RedisServer} RedisServer */

const SLOTS = 16_384;

/**
 * @typedef {object} RedisCluster
 * @property {string} url redis+cluster://127.0.0.1:p1,127.0.0.1:p2,...
 * @property {number[]} ports
 * @property {RedisServer[]} nodes in the order of their slots, which they share evenly
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a Redis Cluster of masters without replicas. Most of its time goes into the two seconds that a new master waits
 * before it accepts writes.
 *
 * @param {import('./redis.mjs').RedisOptions & { masters?: number }} [options]
 * @returns {Promise<RedisCluster>}
 */
export async function startRedisCluster({ masters = 3, args = [], ...options } = {}) {
  /** @type {RedisServer[]} */
  const nodes = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    const forCluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', ...args];
    while (nodes.length < masters) nodes.push(await startRedis({ ...options, args: forCluster }));
    const ports = nodes.map((node) => node.port);
    for (const [index, port] of ports.entries()) {
      const first = Math.floor((index * SLOTS) / masters);
      const last = Math.floor(((index + 1) * SLOTS) / masters) - 1;
      await redisCommand(port, 'CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      await redisCommand(port, 'CLUSTER', 'ADDSLOTSRANGE', first, last);
      for (const other of ports.slice(0, index)) await redisCommand(port, 'CLUSTER', 'MEET', '127.0.0.1', other);
    }
    await Promise.all(ports.map((port) => untilReply(port, ['CLUSTER', 'INFO'], (reply) => isWhole(reply, masters))));
    return { url: `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(',')}`, ports, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {unknown} info @param {number} masters whether a node knows all others and all slots */
function isWhole(info, masters) {
  const facts = new Map(
    String(info)
      .split('\r\n')
      .map((line) => /** @type {[string, string]} */ (line.split(':'))),
  );
  return (
    facts.get('cluster_state') === 'ok' &&
    facts.get('cluster_size') === String(masters) &&
    facts.get('cluster_slots_ok') === String(SLOTS)
  );
}
