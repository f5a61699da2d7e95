import { withDeadline } from '../async/deadline.js';
import type { FactoryProvider, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { register } from 'prom-client';
import { checkOptions } from '../model/checked-input.js';
import { SessionRuntime } from '../nest/module/session-runtime.js';
import { type AnyRegistry, MetricSet, type MetricSource } from './metric-set.js';

const KEEP_MS = 10_000;
const WAIT_MS = 1000;

/** Counts at most once in ten seconds. Null if the database fails or has not answered yet. Takes a second at most; never rejects. */
function keptCount(count: () => Promise<number>): () => Promise<number | null> {
  let latest: number | null = null;
  let counting: Promise<void> | null = null;
  let countedAt = -Infinity;
  const recount = async () => {
    latest = await count().catch(() => null);
    counting = null;
  };
  return async () => {
    if (!counting && performance.now() - countedAt >= KEEP_MS) {
      countedAt = performance.now();
      counting = recount();
    }
    if (counting) await withDeadline(counting, WAIT_MS).catch(() => undefined);
    return latest;
  };
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
    const countLive = keptCount(() => runtime.online.count({}, Number.MAX_SAFE_INTEGER));
    this.source = { realm: runtime.options.realm, runtime, countLive };
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
