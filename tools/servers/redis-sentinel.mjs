import { startRedis } from './redis.mjs';
import { untilReply } from './resp.mjs';

/** @typedef {import('./redis.mjs').RedisServer} RedisServer */

const NAME = 'main';

/**
 * @typedef {object} RedisSentinel
 * @property {string} url redis+sentinel://127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3/main
 * @property {number[]} sentinels their ports
 * @property {string} name of the group of servers that they watch
 * @property {RedisServer} master at the start
 * @property {RedisServer} replica at the start
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a master with one replica, watched by three sentinels, ready for a failover.
 *
 * @param {import('./redis.mjs').RedisOptions} [options] `args` are for the master and its replica
 * @returns {Promise<RedisSentinel>}
 */
export async function startRedisSentinel({ args = [], ...options } = {}) {
  /** @type {RedisServer[]} */
  const started = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  /** @param {import('./redis.mjs').RedisOptions} more */
  const start = async (more) => {
    const server = await startRedis({ ...options, ...more });
    started.push(server);
    return server;
  };
  try {
    const forPair = ['--repl-diskless-sync-delay', '0', ...args];
    const master = await start({ args: forPair });
    const replica = await start({ args: [...forPair, '--replicaof', '127.0.0.1', `${master.port}`] });
    await untilReply(replica.port, ['INFO', 'replication'], (reply) => /master_link_status:up/.test(String(reply)));
    const config = [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 3000`,
      '',
    ].join('\n');
    const sentinels = [];
    while (sentinels.length < 3) sentinels.push((await start({ config, args: ['--sentinel'] })).port);
    await Promise.all(sentinels.map((port) => untilReady(port)));
    const url = `redis+sentinel://${sentinels.map((port) => `127.0.0.1:${port}`).join(',')}/${NAME}`;
    return { url, sentinels, name: NAME, master, replica, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until a sentinel knows the two others and has seen the replica in good order. @param {number} port */
async function untilReady(port) {
  await untilReply(port, ['SENTINEL', 'MASTER', NAME], (reply) => {
    const facts = factsOf(reply);
    return facts.get('num-other-sentinels') === '2' && facts.get('flags') === 'master';
  });
  await untilReply(port, ['SENTINEL', 'REPLICAS', NAME], (reply) => {
    const [first] = Array.isArray(reply) ? reply : [];
    return factsOf(first).get('master-link-status') === 'ok';
  });
}

/** @param {unknown} reply names and values in turn @returns {Map<string, string>} */
function factsOf(reply) {
  const words = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? '']] : [])));
}
