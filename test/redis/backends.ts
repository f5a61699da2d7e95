import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { MessageHandlers, SharedBackend, SharedContext } from 'lib/shared-cache.js';
import { randomId } from 'lib/token-codec.js';
import { type RedisSource, type RedisUse, redis } from '../../lib/redis/index.js';
import { type RedisServer, redisPrefix, startRedis } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

export const COPY_AGE = 300_000;
export const TOMBSTONE = 330_000;

export interface TestBackend {
  readonly backend: SharedBackend;
  readonly nodeId: string;
  readonly warnings: readonly string[];
  readonly messages: readonly string[];
  readonly answers: readonly string[];
  /** Whether messages arrive, as it told, one for each change. */
  readonly links: readonly boolean[];
}

/** A Redis with a proxy in front of it, and backends of one test, stopped together. */
export class Backends {
  server!: RedisServer;
  proxy!: TcpProxy;
  prefix!: string;
  private readonly started: SharedBackend[] = [];

  async start(
    source: RedisSource,
    use: RedisUse = {},
    context: Partial<SharedContext> & { readonly waits?: boolean } = {},
  ): Promise<TestBackend> {
    const { waits = true, ...settings } = context;
    const [warnings, messages, answers, links]: [string[], string[], string[], boolean[]] = [[], [], [], []];
    const nodeId = randomId();
    const backend = redis(source, { prefix: this.prefix, timeout: '5s', ...use }).create({
      realm: 'users',
      nodeId,
      copyAgeMs: COPY_AGE,
      tombstoneMs: TOMBSTONE,
      heartbeatMs: 1000,
      warn: (message) => void warnings.push(message),
      verifyBudgetMs: 20_000,
      now: () => Date.now(),
      ...settings,
    });
    const handlers: MessageHandlers = {
      onMessage: (text) => void messages.push(text),
      onAnswer: (text) => void answers.push(text),
      onConnection: (isConnected) => void links.push(isConnected),
    };
    this.started.push(backend);
    backend.start(handlers);
    if (waits) await until(() => backend.state === 'up' && backend.messenger.isConnected);
    return { backend, nodeId, warnings, messages, answers, links };
  }

  startThroughProxy(...more: [use?: RedisUse, context?: Parameters<Backends['start']>[2]]): Promise<TestBackend> {
    return this.start(`redis://127.0.0.1:${this.proxy.port}`, ...more);
  }

  async stop(): Promise<void> {
    await Promise.all(this.started.splice(0).map((backend) => backend.stop()));
  }
}

/** Registers hooks that start a Redis for all tests of a block, or for each, and stop what a test has started. */
export function useBackends(isShared = true): Backends {
  const backends = new Backends();
  (isShared ? beforeAll : beforeEach)(async () => {
    backends.server = await startRedis();
    backends.proxy = await TcpProxy.start(backends.server.port);
  });
  beforeEach(() => {
    backends.prefix = redisPrefix();
  });
  afterEach(async () => {
    backends.proxy.release();
    backends.proxy.refuse(false);
    await backends.stop();
  });
  (isShared ? afterAll : afterEach)(async () => {
    await backends.proxy.close();
    await backends.server.stop();
  });
  return backends;
}
