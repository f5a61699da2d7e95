import type { MessageHandlers, SharedBackend, SharedContext } from 'lib/shared-cache.js';
import { randomId } from 'lib/token-codec.js';
import { type RedisSource, type RedisUse, redis } from '../../lib/redis/index.js';
import { until } from '../support/until.js';

export const COPY_AGE = 300_000;
export const TOMBSTONE = 330_000;

/** What one backend of a test is, and all that it says. */
export interface TestBackend {
  readonly backend: SharedBackend;
  readonly nodeId: string;
  readonly warnings: readonly string[];
  readonly messages: readonly string[];
  readonly answers: readonly string[];
  /** Whether messages arrive, as it told, one for each change. */
  readonly links: readonly boolean[];
}

/** Backends of one test, stopped together. */
export class Backends {
  private readonly started: SharedBackend[] = [];

  /** Starts one and waits until it is connected, unless it is not to be. */
  async start(
    source: RedisSource,
    use: RedisUse = {},
    context: Partial<SharedContext> & { readonly waits?: boolean } = {},
  ): Promise<TestBackend> {
    const { waits = true, ...settings } = context;
    const [warnings, messages, answers, links]: [string[], string[], string[], boolean[]] = [[], [], [], []];
    const nodeId = randomId();
    const backend = redis(source, { timeout: '5s', ...use }).create({
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

  async stop(): Promise<void> {
    await Promise.all(this.started.splice(0).map((backend) => backend.stop()));
  }
}
