import { Counter, Gauge, Histogram, type Registry, type RegistryContentType } from 'prom-client';
import type { SessionRuntime } from '../nest/module/session-runtime.js';
import { type LocalStatus, localStatus } from '../nest/module/session-status.js';
import { VERIFICATION_SOURCES } from '../verification/verification-stats.js';

/** View of one SessionModule for its metrics. */
export interface MetricSource {
  readonly realm: string;
  readonly runtime: SessionRuntime;
  /** Null if the database does not answer. Never rejects. */
  readonly countLive: () => Promise<number | null>;
}

/** A value with its labels, without the realm. */
type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

/** A metric that is computed on scrape. */
interface MetricDefinition {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** Labels beside the realm. Never client input, or the name of a user or session. */
  readonly labels?: readonly string[];
  /** Merges the values of several processes of one host (AggregatorRegistry). Default: sum. */
  readonly aggregator?: 'sum' | 'max' | 'min';
  readonly read: (
    source: MetricSource & { readonly status: LocalStatus },
  ) => readonly Sample[] | Promise<readonly Sample[]>;
}

const STATUSES = ['VALID', 'INVALID', 'UNKNOWN'] as const;
const REDIS_STATES = ['off', 'up', 'down'] as const;

const METRICS: readonly MetricDefinition[] = [
  {
    type: 'counter',
    name: 'session_verifications_total',
    help: 'Verifications of tokens, by where the answer came from and what it was.',
    labels: ['source', 'status'],
    read: ({ runtime: { stats } }) =>
      VERIFICATION_SOURCES.flatMap((source) =>
        STATUSES.map((status): Sample => [stats.of(source, status), { source, status }]),
      ),
  },
  {
    type: 'gauge',
    name: 'session_near_cache_entries',
    help: 'Sessions that this process remembers.',
    read: ({ status }) => [[status.nearCacheEntries]],
  },
  {
    type: 'gauge',
    name: 'session_near_cache_on',
    help: '1 while this process may answer from its own memory, else 0.',
    aggregator: 'min',
    read: ({ status }) => [[status.nearCache === 'on' ? 1 : 0]],
  },
  {
    type: 'gauge',
    name: 'session_redis_state',
    help: '1 for the state that Redis is in, 0 for the others.',
    labels: ['state'],
    read: ({ status }) => REDIS_STATES.map((state): Sample => [state === status.redis ? 1 : 0, { state }]),
  },
  {
    type: 'gauge',
    name: 'session_change_log_lag_seconds',
    help: 'Age of the last complete read of the change log.',
    aggregator: 'max',
    read: ({ status: { changeLogLagMs } }) => (changeLogLagMs === null ? [] : [[changeLogLagMs / 1000]]),
  },
  {
    type: 'gauge',
    name: 'session_oldest_write_seconds',
    help: 'Age of the oldest writing transaction of the database server, as seen by reads of the change log (PostgreSQL).',
    aggregator: 'max',
    read: ({ status: { oldestWriteMs } }) => (oldestWriteMs === null ? [] : [[oldestWriteMs / 1000]]),
  },
  {
    type: 'counter',
    name: 'session_rewritten_ends_total',
    help: 'Sessions that were live in the database after their end, and have been ended again.',
    read: ({ status }) => [[status.rewrittenEnds]],
  },
  {
    type: 'gauge',
    name: 'session_oldest_mass_end_seconds',
    help: 'Age of the oldest end of many sessions at once whose rows are not all closed; 0 for none.',
    aggregator: 'max',
    read: ({ status: { oldestMassEndMs } }) => (oldestMassEndMs === null ? [] : [[oldestMassEndMs / 1000]]),
  },
  {
    type: 'gauge',
    name: 'session_silent_nodes',
    help: 'Other nodes that have stopped renewing their row and may still be alive.',
    aggregator: 'max',
    read: ({ status }) => [[status.silentNodes]],
  },
  {
    type: 'gauge',
    name: 'session_live_sessions',
    help: 'Live sessions of the realm on all nodes, counted at most every ten seconds.',
    aggregator: 'max',
    read: async ({ countLive }) => {
      const count = await countLive();
      return count === null ? [] : [[count]];
    },
  },
  {
    type: 'counter',
    name: 'session_activity_dropped_total',
    help: 'Uses of sessions that could not be written, so that lastSeenAt lacks them.',
    read: ({ runtime: { activity } }) => [[activity.dropped]],
  },
  {
    type: 'counter',
    name: 'session_journal_dropped_total',
    help: 'Journal entries that could not be written.',
    labels: ['kind'],
    read: ({ runtime: { journal } }) => [
      [journal.sightings?.dropped ?? 0, { kind: 'sighting' }],
      [journal.events.dropped, { kind: 'event' }],
      [journal.statistics.dropped, { kind: 'statistic' }],
    ],
  },
];

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
          (await read({ ...source, status: localStatus(source.runtime) })).map(([value, own]) => ({
            value,
            labels: { ...own, realm: source.realm },
          })),
        ),
      );
      metric.reset();
      for (const { labels, value } of samples.flat()) metric.inc(labels, value);
    };
    const configuration = { name, help, labelNames: ['realm', ...labels], aggregator, registers, collect: readAll };
    const metric: Counter | Gauge = type === 'counter' ? new Counter(configuration) : new Gauge(configuration);
  }
}
