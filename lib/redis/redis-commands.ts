import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { CircuitBreaker } from './circuit-breaker.js';
import { putIfNewer } from './put-if-newer.script.js';
import { withinTime } from './within-time.js';

const PUT_IF_NEWER = { text: putIfNewer, sha: createHash('sha1').update(putIfNewer).digest('hex') };

/** The four commands that are ever sent: GET, one script, PUBLISH, and INFO once. Each is answered in time, or fails. */
export class RedisCommands {
  constructor(
    private readonly client: Redis | Cluster,
    private readonly breaker: CircuitBreaker,
    private readonly timeoutMs: number,
  ) {}

  get(key: string): Promise<string | null> {
    return this.run(() => this.client.get(key));
  }

  /** See put-if-newer.lua. */
  putIfNewer(key: string, value: string, ttlMs: number): Promise<unknown> {
    const args = [1, key, value, Math.max(1, Math.round(ttlMs))] as const;
    return this.run(async () => {
      try {
        return await this.client.evalsha(PUT_IF_NEWER.sha, ...args);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return await this.client.eval(PUT_IF_NEWER.text, ...args);
      }
    });
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.run(() => this.client.publish(channel, text));
  }

  info(): Promise<string> {
    return withinTime(this.client.info(), this.timeoutMs * 10);
  }

  /** Without a connection nothing is sent: a client of the application's might keep it for later. */
  private async run<T>(send: () => Promise<T>): Promise<T> {
    if (this.client.status !== 'ready') throw new Error('There is no connection to Redis.');
    if (!this.breaker.admit()) throw new Error('Redis is not asked for a while, since it does not answer.');
    try {
      const result = await withinTime(send(), this.timeoutMs);
      this.breaker.succeed();
      return result;
    } catch (error) {
      this.breaker.fail();
      throw error;
    }
  }
}
