import type { FactoryProvider, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { register } from 'prom-client';
import { checkOptions } from '../model/checked-input.js';
import { SessionRuntime } from '../nest/module/session-runtime.js';
import { LiveSessionCount } from './live-session-count.js';
import type { MetricSource } from './metric-definitions.js';
import { type AnyRegistry, MetricSet } from './metric-set.js';

/** How the metrics of a SessionModule are made. */
export interface SessionMetricsOptions {
  /** Where they are registered; default `register` of prom-client. */
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
    this.source = { realm: runtime.options.realm, runtime, liveSessions };
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
 * A provider that registers the metrics of a SessionModule with prom-client, under names that begin with `session_`
 * (docs/operations.md has a list). Put it into the `providers` of a module that imports SessionModule:
 * `providers: [sessionMetrics()]`. Without it nothing is measured; the counts of VerificationStats are kept in any case.
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
