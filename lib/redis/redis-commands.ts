import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { CallDeadline, type CircuitBreaker } from './call-limits.js';

export type RedisKeys = ReturnType<typeof redisKeys>;

/** Names keys and channels of one module, without client input: ids are our own digits, and the realm is checked at boot. */
export function redisKeys(prefix: string, realm: string) {
  const base = `${prefix}:${realm}`;
  return {
    /** Channel of all nodes of the module. */
    notices: `${base}:notices`,
    /** Channel of one node. */
    answers: (nodeId: string) => `${base}:answers:${nodeId}`,
    /** Key of a live copy or a tombstone, short because there is one for each session. */
    session: (sessionId: string) => `${base}:s:${Buffer.from(sessionId, 'hex').toString('base64url')}`,
  };
}

/**
 * Puts ARGV[1] (see stored-session.ts) into KEYS[1] for ARGV[2] milliseconds, unless something newer is there: a
 * tombstone outranks all, a live copy one of a lower version or an earlier read. 1: stored; 0: not newer; -1: no
 * memory, key gone.
 */
export const putIfNewer = `local kind = string.sub(ARGV[1], 1, 1)
if kind == 'L' then
  local held = redis.call('GET', KEYS[1])
  if held then
    if string.sub(held, 1, 1) == 'T' then
      return 0
    end
    local heldVersion, heldRead = string.match(held, '^L:(%d+):(%d+):')
    local version, read = string.match(ARGV[1], '^L:(%d+):(%d+):')
    heldVersion, version = tonumber(heldVersion) or 0, tonumber(version)
    if heldVersion > version or (heldVersion == version and tonumber(heldRead) >= tonumber(read)) then
      return 0
    end
  end
end
local put = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if put.err then
  redis.call('DEL', KEYS[1])
  return -1
end
return 1`;

const PUT_IF_NEWER_SHA = createHash('sha1').update(putIfNewer).digest('hex');

/** Few enough to hold up no other client of the server. */
const MAX_KEYS = 100;
/** INFO has a large reply, and no request waits for it. */
const INFO_MS = 2000;

/** Sends all commands there are: MGET, one script, PUBLISH, and INFO once. Each settles within the time limit. */
export class RedisCommands {
  private readonly deadline: CallDeadline;
  private readonly infoDeadline = new CallDeadline(INFO_MS);
  /** Writes this turn's gathered commands; null if there are none. */
  private write: (() => void) | null = null;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly breaker: CircuitBreaker,
    timeoutMs: number,
  ) {
    this.deadline = new CallDeadline(timeoutMs);
  }

  /** Most keys that one command may name: the keys of a Cluster are on different nodes, and a probe delays one caller. */
  get maxKeys(): number {
    return this.client.isCluster || this.breaker.state !== 'up' ? 1 : MAX_KEYS;
  }

  /** Reads keys, at most `maxKeys` of them, with all gathered commands. */
  mget(keys: readonly string[]): Promise<readonly (string | null)[]> {
    const reply = this.run(() => this.client.mget(keys as string[]));
    this.write?.();
    return reply;
  }

  putIfNewer(key: string, value: string, ttlMs: number): Promise<unknown> {
    const args = [1, key, value, Math.max(1, Math.round(ttlMs))] as const;
    return this.run(async () => {
      try {
        return await this.client.evalsha(PUT_IF_NEWER_SHA, ...args);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return await this.client.eval(putIfNewer, ...args);
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

  /** Gathers the commands of one turn into one write, which costs several times a small command. Autopipelining costs more. */
  private gather(): void {
    if (this.write) return;
    // Missing in the types of ioredis.
    const { stream } = this.client as { stream?: { cork?: () => void; uncork?: () => void } };
    const write = () => {
      if (this.write !== write) return;
      this.write = null;
      stream?.uncork?.();
    };
    this.write = write;
    stream?.cork?.();
    setImmediate(write);
  }
}
