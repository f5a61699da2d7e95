import type { DynamicModule } from '@nestjs/common';
import { type SessionModuleOptions, SessionStatus, multiDevice } from 'nestjs-latchkey';
import { redis } from 'nestjs-latchkey/redis';
import type { DataSourceOptions } from 'typeorm';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type RedisServer, redisPrefix, startRedis } from '../support/redis.js';
import { type Services, startSessions } from '../support/sessions.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** Short enough to see an outage from its beginning to its end, long enough for a busy machine. */
export const TIMING = {
  poll: '100ms',
  pollFreshness: '1s',
  outageGrace: '3s',
  verifyBudget: '500ms',
  endBudget: '2s',
  activityFlush: '1h',
} as const;

/** A SessionModule of this process. */
export interface FaultyNode extends Services {
  readonly status: SessionStatus;
  readonly runtime: SessionRuntime;
  close(): Promise<void>;
}

/** A PostgreSQL and a Redis of one test, each behind a network that the test breaks, and the modules that use them. */
export class Faults {
  private readonly nodes: FaultyNode[] = [];
  private readonly prefix = redisPrefix();

  private constructor(
    private readonly database: TestDatabase,
    readonly databaseProxy: TcpProxy,
    private server: RedisServer,
    readonly redisProxy: TcpProxy,
  ) {}

  static async start(): Promise<Faults> {
    const [database, server] = await Promise.all([kindsOf('postgres')[0]!.create(), startRedis()]);
    const databasePort = Number(new URL(database.url).port);
    return new Faults(database, await TcpProxy.start(databasePort), server, await TcpProxy.start(server.port));
  }

  /** The database without a proxy. */
  get directOptions(): DataSourceOptions {
    return this.database.options;
  }

  get redisPort(): number {
    return this.server.port;
  }

  options(options: Partial<SessionModuleOptions> = {}): Partial<SessionModuleOptions> {
    const url = new URL(this.database.url);
    url.port = String(this.databaseProxy.port);
    return {
      database: { type: 'postgres', url: url.href },
      redis: redis(`redis://127.0.0.1:${this.redisProxy.port}`, { prefix: this.prefix }),
      policy: multiDevice(),
      timing: TIMING,
      ...options,
    };
  }

  async open(
    options: Partial<SessionModuleOptions> = {},
    providers: DynamicModule['providers'] = [],
  ): Promise<FaultyNode> {
    const { context, ...services } = await startSessions(this.options(options), providers);
    const node = {
      ...services,
      status: context.get(SessionStatus, { strict: false }),
      runtime: context.get(SessionRuntime, { strict: false }),
    };
    this.nodes.push(node);
    return node;
  }

  async killRedis(): Promise<void> {
    await this.server.kill();
  }

  async restartRedis(): Promise<void> {
    this.server = await startRedis({ port: this.server.port });
  }

  async close(): Promise<void> {
    for (const proxy of [this.databaseProxy, this.redisProxy]) {
      proxy.release();
      proxy.refuse(false);
    }
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.all([this.databaseProxy.close(), this.redisProxy.close(), this.server.stop()]);
    await this.database.drop();
  }
}
