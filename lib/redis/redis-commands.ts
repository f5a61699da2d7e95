import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { CallDeadline, type CircuitBreaker } from './call-limits.js';
import { putIfNewer } from './put-if-newer.script.js';

/**
 * Names of everything that one module has in Redis. No name holds anything that a client sent: session and node ids are
 * hexadecimal digits of our own making, the realm is checked at boot.
 */
export class RedisKeys {
  private readonly base: string;
  /** Channel that every node of the module listens to. */
  readonly notices: string;

  constructor(prefix: string, realm: string) {
    this.base = `${prefix}:${realm}`;
    this.notices = `${this.base}:notices`;
  }

  /** Holds a live copy or a tombstone. */
  session(sessionId: string): string {
    return `${this.base}:session:${sessionId}`;
  }

  /** Channel that one node listens to. */
  answers(nodeId: string): string {
    return `${this.base}:answers:${nodeId}`;
  }
}

const PUT_IF_NEWER = { text: putIfNewer, sha: createHash('sha1').update(putIfNewer).digest('hex') };

/** INFO has a large reply, and no request waits for it. */
const INFO_MS = 2000;

/** The socket of ioredis; missing in its types. */
interface WithStream {
  readonly stream?: { readonly cork?: () => void; readonly uncork?: () => void };
}

/** All commands that are ever sent: GET, one script, PUBLISH, and INFO once. Each is answered in time, or fails. */
export class RedisCommands {
  private readonly deadline: CallDeadline;
  private readonly infoDeadline = new CallDeadline(INFO_MS);
  /** Writes the gathered commands of this turn; null if there are none. */
  private write: (() => void) | null = null;
  private turns = 0;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly breaker: CircuitBreaker,
    timeoutMs: number,
  ) {
    this.deadline = new CallDeadline(timeoutMs);
  }

  /** Changes once gathered commands are written. Reads of one key within one turn can share a command. */
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

  /** Written before the event loop goes on, with the commands gathered so far: other nodes wait for it. */
  publish(channel: string, text: string): Promise<unknown> {
    process.nextTick(() => this.write?.());
    return this.run(() => this.client.publish(channel, text));
  }

  info(): Promise<string> {
    return this.infoDeadline.within(this.client.info());
  }

  /** Sends nothing without a connection: an application's client might queue it. */
  private run<T>(send: () => Promise<T>): Promise<T> {
    const { breaker, client } = this;
    if (client.status !== 'ready') return Promise.reject(new Error('There is no connection to Redis.'));
    if (!breaker.admit()) return Promise.reject(new Error('Redis is not asked for a while, since it does not answer.'));
    this.gather();
    return this.deadline.within(send(), breaker);
  }

  /**
   * Writes the commands of one turn of the event loop in one go, or as soon as there is a notice among them: a write for each
   * small command costs several times what the command costs. Autopipelining of ioredis does the same with more work for each
   * command; a client that has it on, such as one of a cluster, goes by that.
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
