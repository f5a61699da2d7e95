import type { Cluster, Redis } from 'ioredis';
import type { MessageHandlers, SharedBackend, SharedContext, SharedState } from '../cluster/shared-cache.js';
import { CircuitBreaker } from './call-limits.js';
import { RedisCommands, redisKeys } from './redis-commands.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisMessenger } from './redis-messenger.js';
import { RedisSessionCache } from './redis-session-cache.js';

export class RedisBackend implements SharedBackend {
  readonly cache: RedisSessionCache;
  readonly messenger: RedisMessenger;
  private readonly client: Redis | Cluster;
  private readonly breaker = new CircuitBreaker({ maxFailures: 3, pauseMs: 500, now: () => performance.now() });
  private readonly commands: RedisCommands;
  private advised = false;
  private reported = false;

  constructor(
    private readonly connection: RedisConnection,
    { prefix, timeoutMs }: { readonly prefix: string; readonly timeoutMs: number },
    private readonly context: SharedContext,
  ) {
    const { client } = connection;
    const keys = redisKeys(prefix, context.realm);
    this.client = client;
    this.commands = new RedisCommands(client, this.breaker, timeoutMs);
    const parts = { ...context, client, commands: this.commands, keys };
    this.cache = new RedisSessionCache({ ...parts, onMixUp: () => this.reconnect() });
    this.messenger = new RedisMessenger(parts);
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
    // The last commands, answers to other nodes among them, are still in flight.
    if (this.client.status === 'ready') await this.client.quit().catch(() => undefined);
    this.client.disconnect();
  }

  private readonly onReady = () => {
    this.reported = false;
    void this.advise();
  };
  private readonly onError = (error: Error) => this.report(error.message || error.name);
  private readonly onClose = () => this.report('the connection was closed');

  private report(problem: string): void {
    if (this.reported) return;
    this.reported = true;
    this.context.warn(`Redis is unavailable, and the database answers instead: ${problem}.`);
  }

  /** Warns once about slow settings, if the server answers INFO. */
  private async advise(): Promise<void> {
    if (this.advised) return;
    this.advised = true;
    const info = await this.commands.info().catch(() => '');
    for (const advice of adviceFor(info)) this.context.warn(advice);
  }

  /** Drops a connection that mixes up replies, and all replies in flight with it. */
  private reconnect(): void {
    this.context.warn('Redis returned the reply to another command; reconnecting.');
    if (this.connection.isOwn) this.client.disconnect(true);
  }
}

/** Oldest tested version. */
const TESTED_VERSION = 7;

/** Finds settings in a server's INFO that cost speed, never safety. */
export function adviceFor(info: string): readonly string[] {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const advice: string[] = [];
  const version = value('valkey_version') || value('redis_version');
  if (version !== '' && Number.parseInt(version, 10) < TESTED_VERSION) {
    advice.push(`Redis is of version ${version}, which is not tested; use ${TESTED_VERSION} or later.`);
  }
  const limit = Number(value('maxmemory') || 0);
  if (limit > 0 && value('maxmemory_policy') === 'noeviction') {
    advice.push(
      'Redis has a limit of memory and the policy noeviction: once it is full, sessions are read from the database. ' +
        'Set maxmemory-policy to allkeys-lru, or raise maxmemory.',
    );
  }
  return advice;
}
