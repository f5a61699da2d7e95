import { Counter, Gauge, Histogram, type Registry, type RegistryContentType } from 'prom-client';
import { VERIFICATION_SOURCES } from '../verification/verification-stats.js';
import { METRICS, type MetricDefinition, type MetricSource } from './metric-definitions.js';

/** A registry of the Prometheus or OpenMetrics format. */
export type AnyRegistry = Registry<RegistryContentType>;

const VERIFICATION_SECONDS = {
  name: 'session_verification_seconds',
  help: 'Time of verifications that asked Redis or the database.',
  labelNames: ['realm', 'source'],
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
};
const END_SECONDS = {
  name: 'session_end_seconds',
  help: 'How long ends, once recorded, waited until no server accepts the session any more.',
  labelNames: ['realm', 'outcome'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
};
const OUTCOMES = ['acknowledged', 'pending'] as const;
const NAMES = [VERIFICATION_SECONDS, END_SECONDS, ...METRICS].map(({ name }) => name);

/** Keyed by the histogram, which a registry loses when it is cleared. */
const sets = new WeakMap<object, MetricSet>();

/** Metrics of one registry, which accepts each name once: all modules share them, and differ by the label realm. */
export class MetricSet {
  private readonly sources = new Map<string, MetricSource>();
  private readonly verificationSeconds: Histogram;
  private readonly endSeconds: Histogram;

  private constructor(private readonly registry: AnyRegistry) {
    const registers = [registry as Registry];
    this.verificationSeconds = new Histogram({ ...VERIFICATION_SECONDS, registers });
    this.endSeconds = new Histogram({ ...END_SECONDS, registers });
    for (const definition of METRICS) this.define(definition, registers);
  }

  /** Returns the set of a registry; the first module creates it. @throws Error if the registry has one of the names */
  static in(registry: AnyRegistry): MetricSet {
    const known = registry.getSingleMetric(VERIFICATION_SECONDS.name);
    let set = known && sets.get(known);
    if (!set) {
      set = new MetricSet(registry);
      sets.set(set.verificationSeconds, set);
    }
    return set;
  }

  /** @throws Error if the registry has metrics of this module, or of another one with the same realm */
  add(source: MetricSource): void {
    const { realm, runtime } = source;
    if (this.sources.has(realm) || runtime.stats.observer) {
      throw new Error(
        `Metrics of the realm "${realm}" are registered already: use sessionMetrics() once per SessionModule, and give a second ` +
          'module of the same realm its own registry.',
      );
    }
    this.sources.set(realm, source);
    runtime.stats.observer = (from, _status, millis) =>
      this.verificationSeconds.observe({ realm, source: from }, millis / 1000);
    runtime.coherence.observer = (millis, isAcknowledged) =>
      this.endSeconds.observe({ realm, outcome: isAcknowledged ? 'acknowledged' : 'pending' }, millis / 1000);
  }

  /** Reverts `add`; removes all metrics with the last module. */
  remove(source: MetricSource): void {
    const { realm, runtime } = source;
    if (this.sources.get(realm) !== source) return;
    this.sources.delete(realm);
    runtime.stats.observer = null;
    runtime.coherence.observer = null;
    for (const from of VERIFICATION_SOURCES) this.verificationSeconds.remove({ realm, source: from });
    for (const outcome of OUTCOMES) this.endSeconds.remove({ realm, outcome });
    const isRegistered = this.registry.getSingleMetric(VERIFICATION_SECONDS.name) === this.verificationSeconds;
    if (this.sources.size === 0 && isRegistered) for (const name of NAMES) this.registry.removeSingleMetric(name);
  }

  private define(
    { type, name, help, labels = [], aggregator = 'sum', read }: MetricDefinition,
    registers: Registry[],
  ): void {
    const readAll = async () => {
      const samples = await Promise.all(
        [...this.sources.values()].map(async (source) =>
          (await read(source)).map(([value, own]) => ({ value, labels: { ...own, realm: source.realm } })),
        ),
      );
      metric.reset();
      for (const { labels, value } of samples.flat()) metric.inc(labels, value);
    };
    const configuration = { name, help, labelNames: ['realm', ...labels], aggregator, registers, collect: readAll };
    const metric: Counter | Gauge = type === 'counter' ? new Counter(configuration) : new Gauge(configuration);
  }
}
