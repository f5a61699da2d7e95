import { withDeadline } from '../async/deadline.js';
import type { FactoryProvider, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { register } from 'prom-client';
import { checkOptions } from '../model/checked-input.js';
import { SessionRuntime } from '../nest/module/session-runtime.js';
import type { MetricSource } from './metric-definitions.js';
import { type AnyRegistry, MetricSet } from './metric-set.js';

/** Lifetime of a count. */
const KEEP_MS = 10_000;
/** Longest time that a scrape waits for a count. */
const WAIT_MS = 1000;

/** Counts live sessions at most once in ten seconds, however often it is scraped. */
class LiveSessionCount {
  private latest: number | null = null;
  private counting: Promise<void> | null = null;
  private countedAt = -Infinity;

  constructor(private readonly count: () => Promise<number>) {}

  /** Null if the database has not answered yet, or has failed. Resolves within a second; never rejects. */
  async read(): Promise<number | null> {
    if (!this.counting && performance.now() - this.countedAt >= KEEP_MS) {
      this.countedAt = performance.now();
      this.counting = this.recount().finally(() => (this.counting = null));
    }
    if (this.counting) await withDeadline(this.counting, WAIT_MS).catch(() => undefined);
    return this.latest;
  }

  private async recount(): Promise<void> {
    this.latest = await this.count().catch(() => null);
  }
}

/** Options of sessionMetrics. */
export interface SessionMetricsOptions {
  /** Default: `register` of prom-client. */
  readonly registry?: AnyRegistry;
}

/** Registers the metrics of one SessionModule while the application runs. */
class SessionMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly source: MetricSource;
  private set: MetricSet | null = null;

  constructor(
    runtime: SessionRuntime,
    private readonly registry: AnyRegistry,
  ) {
    const liveSessions = new LiveSessionCount(() => runtime.online.count({}, Number.MAX_SAFE_INTEGER));
    this.source = { realm: runtime.options.realm, runtime, countLive: () => liveSessions.read() };
  }

  onApplicationBootstrap(): void {
    this.set = MetricSet.in(this.registry);
    this.set.add(this.source);
  }

  onApplicationShutdown(): void {
    this.set?.remove(this.source);
  }
}

/**
 * Creates a provider that registers a SessionModule's metrics with prom-client. Their names begin with `session_`;
 * docs/operations.md lists them. Add it to a module that imports SessionModule: `providers: [sessionMetrics()]`.
 * Without it, nothing is timed.
 */
export function sessionMetrics(options: SessionMetricsOptions = {}): FactoryProvider {
  checkOptions(options, 'metrics.', { registry: true });
  const { registry = register } = options;
  return {
    provide: SessionMetrics,
    inject: [SessionRuntime],
    useFactory: (runtime: SessionRuntime) => new SessionMetrics(runtime, registry),
  };
}
