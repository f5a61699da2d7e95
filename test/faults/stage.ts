import { beforeAll, beforeEach, expect } from '@jest/globals';
import type { DynamicModule } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import { Redis } from 'ioredis';
import { type LoginResult, type SessionModuleOptions, accessAndRefresh } from 'nestjs-latchkey';
import { type RedisSource, redis } from 'nestjs-latchkey/redis';
import { redisKeys } from 'lib/redis-commands.js';
import { localStatus } from 'lib/session-status.js';
import { type DatabaseKind, kindsOf, portOf, throughPort } from '../support/databases.js';
import { type NodeOptions, TestNode } from '../support/nodes.js';
import { type RedisServer, redisCommand, startRedis } from '../support/redis.js';
import type { Sessions } from '../support/sessions.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { type UsedDatabase, useDatabase } from '../support/use-database.js';
import { BUDGETS } from './budgets.js';
import { Witness } from './witness.js';

/** The outage grace is short enough to see its end. */
export const TIMING = { ...BUDGETS, poll: '200ms', outageGrace: '3s', activityFlush: '1h' } as const;
/** The same with the default budget of a verification, for outages in which each of them uses it up. */
export const SHORT_TIMING = { ...TIMING, verifyBudget: '1s' } as const;

export const KICK = { by: 'root' };

/** A SessionModule of this process, with networks of its own to Redis and to the database. */
export interface FaultNode extends Sessions {
  readonly redis: TcpProxy;
  readonly database: TcpProxy;
}

/** The same of a process of its own. */
export interface ProcessNode extends Pick<FaultNode, 'redis' | 'database'> {
  readonly node: TestNode;
}

export interface FaultNodeOptions extends Omit<Partial<SessionModuleOptions>, 'redis' | 'database'> {
  /** Its Redis, default that of the stage, null for none; a function is given the port of the node's proxy to that. */
  readonly source?: RedisSource | ((port: number) => RedisSource) | null;
  readonly providers?: DynamicModule['providers'];
  readonly prefix?: string;
  readonly redisTimeout?: '150ms' | '900ms' | '1900ms';
  /** For the driver of its connections to the database. */
  readonly extra?: object;
}

/** A database, PostgreSQL unless a test asks for another, and a Redis of one test, and the nodes that use them. */
export class Stage {
  /** The Redis that nodes use unless they are told otherwise. */
  server!: RedisServer;

  constructor(readonly database: UsedDatabase) {}

  async begin(settings?: Parameters<typeof startRedis>[0]): Promise<void> {
    this.server = await startRedis(settings);
    this.atEnd(() => this.server.stop());
  }

  get redisPort(): number {
    return this.server.port;
  }

  redisCommand(...args: (string | number)[]): ReturnType<typeof redisCommand> {
    return redisCommand(this.redisPort, ...args);
  }

  /** What is to be done when the stage closes, before all that was given here earlier. */
  atEnd(close: () => unknown): void {
    this.database.atEnd(close);
  }

  client(port: number): Redis {
    // The rest of its life after `disconnect`.
    const client = new Redis({ port, disconnectTimeout: 50 });
    client.on('error', () => undefined);
    this.atEnd(() => client.disconnect());
    return client;
  }

  /** A proxy that is closed with the stage. */
  async proxy(port: number): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(port);
    this.atEnd(() => proxy.close());
    return proxy;
  }

  databaseProxy(): Promise<TcpProxy> {
    return this.proxy(portOf(this.database));
  }

  async open(options: FaultNodeOptions = {}): Promise<FaultNode> {
    const { source = urlOf, prefix, redisTimeout, providers, extra, ...rest } = options;
    const [redisProxy, databaseProxy] = await Promise.all([this.proxy(this.redisPort), this.databaseProxy()]);
    const use = { ...(prefix && { prefix }), ...(redisTimeout && { timeout: redisTimeout }) };
    const from = typeof source === 'function' ? source(redisProxy.port) : source;
    const common = { tokens: accessAndRefresh(), timing: TIMING, ...rest };
    const database = {
      ...throughPort(this.database, databaseProxy.port),
      ...(extra && { extra }),
    } as DataSourceOptions;
    const opened = await this.database.start(
      { database, redis: from === null ? undefined : redis(from, use), ...common },
      providers,
    );
    const node = { ...opened, redis: redisProxy, database: databaseProxy };
    this.atEnd(() => this.mend(node));
    return node;
  }

  async openProcess(options: Partial<NodeOptions> = {}): Promise<ProcessNode> {
    const [redisProxy, database] = await Promise.all([this.proxy(this.redisPort), this.databaseProxy()]);
    const node = await TestNode.start({
      database: throughPort(this.database, database.port),
      redis: { url: urlOf(redisProxy.port) },
      policy: { name: 'singleDevice' },
      tokens: { name: 'accessAndRefresh' },
      timing: TIMING,
      ...options,
    });
    this.atEnd(() => node.kill());
    return { node, redis: redisProxy, database };
  }

  /** So many nodes, all of which answer from what they remember. */
  async openAll(count: number, options: FaultNodeOptions = {}): Promise<FaultNode[]> {
    const nodes = await Promise.all(Array.from({ length: count }, () => this.open(options)));
    await untilWell(nodes);
    return nodes;
  }

  async restart(settings: Parameters<typeof startRedis>[0] = {}): Promise<void> {
    this.server = await startRedis({ ...settings, port: this.redisPort });
  }

  /** A witness that is stopped with the stage, should the test not come to its end. */
  witness(nodes: readonly Pick<FaultNode, 'tokens'>[]): Witness {
    const witness = new Witness(
      nodes.map(
        ({ tokens }) =>
          (token: string) =>
            tokens.verify(token),
      ),
    );
    this.atEnd(() => witness.stop());
    return witness;
  }

  private mend(node: FaultNode): void {
    for (const proxy of [node.redis, node.database]) {
      proxy.release();
      proxy.refuse(false);
      proxy.delay(0);
    }
  }
}

interface StageOptions {
  readonly kind?: DatabaseKind;
  readonly redis?: () => Parameters<typeof startRedis>[0];
  readonly isShared?: boolean;
}

/** Registers hooks that begin a stage before each test, or before all of them, and close it at the end. */
export function useStage({
  kind = kindsOf('postgres')[0]!,
  redis: settings = () => ({}),
  isShared = false,
}: StageOptions = {}): Stage {
  const stage = new Stage(useDatabase(kind, { isShared }));
  (isShared ? beforeAll : beforeEach)(() => stage.begin(settings()));
  return stage;
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`;
}

/** Whether a node has its Redis, hears the others, and may use what is remembered. */
export function isWell({ runtime }: FaultNode): boolean {
  return localStatus(runtime).redis === 'up' && runtime.coherence.caching;
}

export function untilWell(nodes: readonly FaultNode[]): Promise<void> {
  return until(() => nodes.every(isWell));
}

export function keyOf({ session }: LoginResult, prefix = 'latchkey'): string {
  return redisKeys(prefix, 'users').session(session.id);
}

export async function verdictOf({ tokens }: Pick<FaultNode, 'tokens'>, { accessToken }: LoginResult): Promise<string> {
  const result = await tokens.verify(accessToken);
  return result.status === 'INVALID' ? result.reason : result.status;
}

export function verdictsOf(nodes: readonly Pick<FaultNode, 'tokens'>[], login: LoginResult): Promise<string[]> {
  return Promise.all(nodes.map((node) => verdictOf(node, login)));
}

/** Every node has the session in its memory. */
export async function untilRemembered(nodes: readonly FaultNode[], login: LoginResult): Promise<void> {
  await until(async () => {
    const verdicts = await verdictsOf(nodes, login);
    if (verdicts.some((verdict) => verdict !== 'VALID')) throw new Error(`A live token came to ${verdicts.join()}.`);
    return nodes.every(({ runtime }) => runtime.coherence.get(login.session.id) !== null);
  });
}

/** What one node has read of the database, another has from Redis. @param name of users who have not logged in yet */
export async function untilShared([first, second]: readonly FaultNode[], name: string): Promise<void> {
  const { stats } = second!.runtime;
  let user = 0;
  await until(async () => {
    const login = await first!.tokens.login(`${name} ${user++}`);
    expect(await verdictOf(first!, login)).toBe('VALID');
    const fromRedis = stats.of('shared', 'VALID');
    expect(await verdictOf(second!, login)).toBe('VALID');
    return stats.of('shared', 'VALID') > fromRedis;
  });
}

/** Disturbs again and again while something else goes on. */
export async function whileRepeating<T>(disturb: () => Promise<unknown>, work: () => Promise<T>): Promise<T> {
  let isOver = false;
  const loop = (async () => {
    while (!isOver) await disturb();
  })();
  try {
    return await work();
  } finally {
    isOver = true;
    await loop;
  }
}
