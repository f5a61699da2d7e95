import { VERIFICATION_SOURCES } from '../verification/verification-stats.js';
import type { SessionRuntime } from '../nest/module/session-runtime.js';
import { localStatus } from '../nest/module/session-status.js';

/** View of one SessionModule for its metrics. */
export interface MetricSource {
  readonly realm: string;
  readonly runtime: SessionRuntime;
  /** Null if the database does not answer. Never rejects. */
  readonly countLive: () => Promise<number | null>;
}

/** A value with its labels, to which the realm is added. */
export type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

/** A metric computed on scrape, free in between. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** Labels beside the realm. Never client input, or the name of a user or session. */
  readonly labels?: readonly string[];
  /** Merges the values of several processes of one host (AggregatorRegistry). Default: sum. */
  readonly aggregator?: 'sum' | 'max' | 'min';
  readonly read: (source: MetricSource) => readonly Sample[] | Promise<readonly Sample[]>;
}

const STATUSES = ['VALID', 'INVALID', 'UNKNOWN'] as const;
const REDIS_STATES = ['off', 'up', 'down'] as const;

export const METRICS: readonly MetricDefinition[] = [
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
    read: ({ runtime }) => [[localStatus(runtime).nearCacheEntries]],
  },
  {
    type: 'gauge',
    name: 'session_near_cache_on',
    help: '1 while this process may answer from its own memory, else 0.',
    aggregator: 'min',
    read: ({ runtime }) => [[localStatus(runtime).nearCache === 'on' ? 1 : 0]],
  },
  {
    type: 'gauge',
    name: 'session_redis_state',
    help: '1 for the state that Redis is in, 0 for the others.',
    labels: ['state'],
    read: ({ runtime }) => {
      const { redis } = localStatus(runtime);
      return REDIS_STATES.map((state): Sample => [state === redis ? 1 : 0, { state }]);
    },
  },
  {
    type: 'gauge',
    name: 'session_change_log_lag_seconds',
    help: 'Age of the last complete read of the change log.',
    aggregator: 'max',
    read: ({ runtime }) => {
      const { changeLogLagMs } = localStatus(runtime);
      return changeLogLagMs === null ? [] : [[changeLogLagMs / 1000]];
    },
  },
  {
    type: 'gauge',
    name: 'session_silent_nodes',
    help: 'Other nodes that have stopped renewing their row and may still be alive.',
    aggregator: 'max',
    read: ({ runtime }) => [[localStatus(runtime).silentNodes]],
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
