import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { CallDeadline, type CircuitBreaker } from './call-limits.js';
import { putIfNewer } from './put-if-newer.script.js';

/**
 * Names keys and channels of one module. Names contain no client input: session and node ids are our own hex digits,
 * and the realm is checked at boot.
 */
export class RedisKeys {
  private readonly base: string;
  /** Channel of all nodes of the module. */
  readonly notices: string;

  constructor(prefix: string, realm: string) {
    this.base = `${prefix}:${realm}`;
    this.notices = `${this.base}:notices`;
  }

  /** Holds a live copy or a tombstone. */
  session(sessionId: string): string {
    return `${this.base}:session:${sessionId}`;
  }

  /** Channel of one node. */
  answers(nodeId: string): string {
    return `${this.base}:answers:${nodeId}`;
  }
}

const PUT_IF_NEWER = { text: putIfNewer, sha: createHash('sha1').update(putIfNewer).digest('hex') };

/** INFO has a large reply, and no request waits for it. */
const INFO_MS = 2000;

/** Socket of ioredis, missing in its types. */
interface WithStream {
  readonly stream?: { readonly cork?: () => void; readonly uncork?: () => void };
}

/** Sends all commands there are: GET, one script, PUBLISH, and INFO once. Each settles within the time limit. */
export class RedisCommands {
  private readonly deadline: CallDeadline;
  private readonly infoDeadline = new CallDeadline(INFO_MS);
  /** Writes this turn's gathered commands; null if there are none. */
  private write: (() => void) | null = null;
  private turns = 0;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly breaker: CircuitBreaker,
    timeoutMs: number,
  ) {
    this.deadline = new CallDeadline(timeoutMs);
  }

  /** Changes when gathered commands are written. Reads of a key within one turn share a command. */
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

  /** Written before the event loop continues, with all gathered commands: other nodes wait for it. */
  publish(channel: string, text: string): Promise<unknown> {
    process.nextTick(() => this.write?.());
    return this.run(() => this.client.publish(channel, text));
  }

  info(): Promise<string> {
    return this.infoDeadline.within(this.client.info());
  }

  /** Rejects at once without a connection, because an application's client might queue the command. */
  private run<T>(send: () => Promise<T>): Promise<T> {
    const { breaker, client } = this;
    if (client.status !== 'ready') return Promise.reject(new Error('No connection to Redis.'));
    if (!breaker.admit()) return Promise.reject(new Error('The circuit breaker is open: Redis did not answer.'));
    this.gather();
    return this.deadline.within(send(), breaker);
  }

  /**
   * Gathers the commands of one turn of the event loop into one write, which a notice flushes early: a write per small
   * command costs several times the command. Autopipelining of ioredis does the same at a higher cost per command;
   * clients that have it on, such as those of a cluster, keep it.
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
