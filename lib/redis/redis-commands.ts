import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { CircuitBreaker } from './circuit-breaker.js';
import { putIfNewer } from './put-if-newer.script.js';
import { CallDeadline } from './within-time.js';

const PUT_IF_NEWER = { text: putIfNewer, sha: createHash('sha1').update(putIfNewer).digest('hex') };

/** INFO is no small reply, and nobody waits for it. */
const INFO_MS = 2000;

/** What ioredis writes to; not among its types. */
interface WithStream {
  readonly stream?: { readonly cork?: () => void; readonly uncork?: () => void };
}

/** The four commands that are ever sent: GET, one script, PUBLISH, and INFO once. Each is answered in time, or fails. */
export class RedisCommands {
  private readonly deadline: CallDeadline;
  private readonly infoDeadline = new CallDeadline(INFO_MS);
  /** Writes what this turn has gathered; null if that is nothing. */
  private write: (() => void) | null = null;
  private turns = 0;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly breaker: CircuitBreaker,
    timeoutMs: number,
  ) {
    this.deadline = new CallDeadline(timeoutMs);
  }

  /** Changes when what was sent so far may be on its way: until then, nobody needs to ask the same again. */
  get turn(): number {
    return this.turns;
  }

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

  /** Others wait for it: it is written before the event loop goes on, with what was gathered so far. */
  publish(channel: string, text: string): Promise<unknown> {
    process.nextTick(() => this.write?.());
    return this.run(() => this.client.publish(channel, text));
  }

  info(): Promise<string> {
    return this.infoDeadline.within(this.client.info());
  }

  /** Without a connection nothing is sent: a client of the application's might keep it for later. */
  private run<T>(send: () => Promise<T>): Promise<T> {
    const { breaker, client } = this;
    if (client.status !== 'ready') return Promise.reject(new Error('There is no connection to Redis.'));
    if (!breaker.admit()) return Promise.reject(new Error('Redis is not asked for a while, since it does not answer.'));
    this.gather();
    return this.deadline.within(send(), breaker);
  }

  /**
   * What is sent in one turn of the event loop is written in one go, or as soon as there is a notice among it: a write for each of
   * many small commands costs several times what the commands cost. Autopipelining of ioredis does the same with more work for
   * each command; where a client has it on, as one of a cluster, that decides.
   */
  private gather(): void {
    if (this.write) return;
    const { stream } = this.client as unknown as WithStream;
    const write = () => {
      if (this.write !== write) return;
      this.write = null;
      this.turns++;
      stream?.uncork?.();
    };
    this.write = write;
    stream?.cork?.();
    setImmediate(write);
  }
}
