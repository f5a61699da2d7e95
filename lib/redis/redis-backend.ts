import type { Cluster, Redis } from 'ioredis';
import type { MessageHandlers, SharedBackend, SharedContext, SharedState } from '../cluster/shared-cache.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { RedisCommands } from './redis-commands.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';
import { RedisMessenger } from './redis-messenger.js';
import { RedisSessionCache } from './redis-session-cache.js';
import { adviceFor } from './server-advice.js';

export interface RedisBackendSettings {
  readonly prefix: string;
  /** Longest time that a command may take. Milliseconds. */
  readonly timeoutMs: number;
}

/** Failures in a row after which Redis is not asked for a while. */
const MAX_FAILURES = 3;
const PAUSE_MS = 500;

/** One module's use of one Redis. */
export class RedisBackend implements SharedBackend {
  readonly cache: RedisSessionCache;
  readonly messenger: RedisMessenger;
  private readonly client: Redis | Cluster;
  private readonly breaker = new CircuitBreaker(MAX_FAILURES, PAUSE_MS, () => performance.now());
  private readonly commands: RedisCommands;
  private advised = false;
  private reported = false;

  constructor(
    private readonly connection: RedisConnection,
    settings: RedisBackendSettings,
    private readonly context: SharedContext,
  ) {
    const { client } = connection;
    const keys = new RedisKeys(settings.prefix, context.realm);
    this.client = client;
    this.commands = new RedisCommands(client, this.breaker, settings.timeoutMs);
    this.cache = new RedisSessionCache(this.commands, keys, context, () => this.reconnect());
    this.messenger = new RedisMessenger(client, this.commands, keys, context.nodeId, context.heartbeatMs);
  }

  get state(): SharedState {
    return this.client.status === 'ready' ? this.breaker.state : 'down';
  }

  start(handlers: MessageHandlers): void {
    const { client, connection } = this;
    client.on('ready', this.onReady);
    if (connection.isOwn) {
      client.on('error', this.onError);
      client.on('close', this.onClose);
      client.connect().catch(() => undefined);
    }
    if (client.status === 'ready') this.onReady();
    this.messenger.start(handlers);
  }

  async stop(): Promise<void> {
    this.messenger.stop();
    this.client.off('ready', this.onReady);
    this.client.off('close', this.onClose);
    if (!this.connection.isOwn) return;
    // What was sent last, answers to other nodes among it, is still on its way.
    if (this.client.status === 'ready') await this.client.quit().catch(() => undefined);
    this.client.disconnect();
  }

  private readonly onReady = () => {
    this.reported = false;
    void this.advise();
  };

  private readonly onError = (error: Error) => this.report(error.message || error.name);

  private readonly onClose = () => this.report('the connection was closed');

  /** Once, until there is a connection again. */
  private report(problem: string): void {
    if (this.reported) return;
    this.reported = true;
    this.context.warn(`Redis cannot be used, and the database is asked instead: ${problem}.`);
  }

  /** Once, what would be faster with another configuration. A server that does not tell is left alone. */
  private async advise(): Promise<void> {
    if (this.advised) return;
    this.advised = true;
    const info = await this.commands.info().catch(() => '');
    for (const advice of adviceFor(info)) this.context.warn(advice);
  }

  /** Whatever is still on its way in a connection that mixes up replies must not be read. */
  private reconnect(): void {
    this.context.warn('Redis has answered another question than was asked; the connection is opened anew.');
    if (this.connection.isOwn) this.client.disconnect(true);
  }
}
