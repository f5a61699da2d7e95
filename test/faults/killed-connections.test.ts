import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import type { LoginResult, Verification } from 'nestjs-latchkey';
import { kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { onServer } from '../support/migrated-database.js';
import { type Outcome, TestNode } from '../support/nodes.js';
import { redisCommand, startRedis, startRedisCluster, startRedisSentinel } from '../support/redis.js';
import { rounds } from '../support/size.js';
import { useEnd } from '../support/use-database.js';
import { BUDGETS } from './budgets.js';
import { Witness } from './witness.js';

const ROUNDS = rounds('killedConnections');
const PARALLEL = 12;
const atEnd = useEnd();

const withStandalone = async () => {
  const server = await startRedis();
  return { url: `redis://127.0.0.1:${server.port}`, ports: [server.port], stop: () => server.stop() };
};
const withCluster = () => startRedisCluster({ masters: 3 });
const withSentinels = async () => {
  const { url, sentinels, master, replica, stop } = await startRedisSentinel();
  return { url, ports: [...sentinels, master.port, replica.port], stop };
};

type Query = (statement: string) => Promise<Record<string, string>[]>;

/** Kills every connection to the database but the one that this is sent on. */
const KILLS = {
  postgres: (query: Query) =>
    query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    ),
  mariadb: async (query: Query) => {
    const others = await query(
      'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
    );
    // One may be gone by now.
    for (const { id } of others) await query(`KILL ${id}`).catch(() => undefined);
  },
};

async function killClients(port: number): Promise<void> {
  for (const type of ['normal', 'pubsub']) await redisCommand(port, 'CLIENT', 'KILL', 'TYPE', type);
}

async function insist<T>(call: () => Promise<Outcome>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const { value, error } = await call();
    if (!error) return value as T;
    if (attempt === 50) throw new Error(`${error.code}: ${error.message} (${error.cause})`);
  }
}

describe.each([
  ['postgres', 'a single Redis', withStandalone],
  ['postgres', 'a Redis Cluster', withCluster],
  ['mariadb', 'Redis with sentinels', withSentinels],
] as const)('%s and %s', (kind, _redis, start) => {
  it('F40: every connection is killed again and again, under parallel logins: the process stays, and no answer is wrong', async () => {
    const redis = await start();
    atEnd(() => redis.stop());
    const database = await kindsOf(kind)[0]!.create();
    atEnd(() => database.drop());
    const node = await TestNode.start({
      database: database.options,
      redis: { url: redis.url },
      policy: { name: 'singleDevice' },
      tokens: { name: 'accessAndRefresh' },
      timing: { ...BUDGETS, poll: '200ms' },
    });
    atEnd(() => node.close());
    const witness = new Witness([async (token) => (await node.call<Verification>('verify', token)).value!]);
    atEnd(() => witness.stop());
    const login = async (userId: string) => insist<LoginResult>(() => node.call('login', userId));
    witness.watch(...(await Promise.all([1, 2, 3].map((number) => login(`stays ${number}`)))));
    await onServer(kind, database.url, async (query) => {
      for (let round = 0; round < ROUNDS; round++) {
        const kicked = await login(`kicked ${round}`);
        witness.watch(kicked);
        const calls = Array.from({ length: PARALLEL }, (_, index) => ['login', `user ${index}`] as ['login', string]);
        const [logins] = await Promise.all([
          node.run(calls),
          witness.ending([kicked], () => insist(() => node.call('kick', kicked.session.id, { by: 'root' }))),
          KILLS[kind](query),
          ...redis.ports.map(killClients),
        ]);
        const codes = new Set(logins.map(({ error }) => error?.code ?? 'OK'));
        for (const code of codes) expect(['OK', 'SESSION_STORE_UNAVAILABLE', 'CHANGE_PENDING']).toContain(code);
      }
    });
    for (const { value } of await node.run(Array.from({ length: PARALLEL }, (_, index) => ['login', `${index}`])))
      expect(value).toBeDefined();
    await witness.close({ mayBeUnknown: true });
  });
});

const FATAL = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');

function message(kind: string, text: string): Buffer {
  const head = Buffer.from(`${kind}0000`);
  head.writeInt32BE(text.length + 4, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** What a MariaDB says to a connection whose statement it refuses. @param sequence number of the packet */
function refusal(sequence: number): Buffer {
  const body = Buffer.concat([Buffer.from([0xff, 1317 & 0xff, 1317 >> 8]), Buffer.from('#70100interrupted')]);
  return Buffer.concat([Buffer.from([body.length, 0, 0, sequence]), body]);
}

describe('a connection that has just opened', () => {
  /** Each is given a connection's replies, numbered from 1. */
  it.each([
    [
      'PostgreSQL ends it with what says that it is ready',
      'postgres',
      (chunk: Buffer) => (chunk.subarray(-6, -5).toString() === 'Z' ? Buffer.concat([chunk, FATAL]) : chunk),
    ],
    [
      'MariaDB ends it with what says that it is ready',
      'mariadb',
      (chunk: Buffer, number: number) => (number === 2 ? Buffer.concat([chunk, refusal(0)]) : chunk),
    ],
    [
      'MariaDB refuses the first statement',
      'mariadb',
      (chunk: Buffer, number: number) => (number === 3 ? refusal(1) : chunk),
    ],
  ] as const)('F40: %s: the process stays, and the next connection is used', async (_what, kind, spoil) => {
    const database = await kindsOf(kind)[0]!.create();
    atEnd(() => database.drop());
    let isSpoiling = false;
    let spoiled = 0;
    const proxy = await TcpProxy.start(portOf(database), () => {
      let replies = 0;
      const reply = (chunk: Buffer, client: Socket) => {
        replies++;
        const changed = isSpoiling ? spoil(chunk, replies) : chunk;
        if (changed === chunk) return chunk;
        spoiled++;
        client.end(changed);
        return Buffer.alloc(0);
      };
      return { reply };
    });
    atEnd(() => proxy.close());
    const options = throughPort(database, proxy.port);
    const start = () => TestNode.start({ database: options, policy: { name: 'multiDevice' }, redis: null });
    const node = await start();
    atEnd(() => node.close());
    isSpoiling = true;
    const calls = Array.from({ length: PARALLEL }, (_, index) => ['login', `user ${index}`] as ['login', string]);
    await node.run(calls);
    expect(spoiled).toBeGreaterThan(0);
    await expect(start()).rejects.toThrow(/SessionModule cannot connect/);
    isSpoiling = false;
    await insist(() => node.call('login', 'alice'));
  });
});
