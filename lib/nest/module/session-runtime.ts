import type { CacheCoherence } from '../../cluster/cache-coherence.js';
import type { NearCache } from '../../cluster/near-cache.js';
import type { SharedBackend } from '../../cluster/shared-cache.js';
import type { Database } from '../../database/engine/database.js';
import type { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import type { OnlineQueries } from '../../database/lists/online-queries.js';
import type { SessionQueries } from '../../database/lists/session-queries.js';
import type { SightingQueries } from '../../database/lists/sighting-queries.js';
import type { StatisticQueries } from '../../database/lists/statistic-queries.js';
import type { ActivityRecorder } from '../../journal/activity-recorder.js';
import type { Clock } from '../../ports/clock.js';
import type { OperatorService } from '../../services/operator-service.js';
import type { SessionService } from '../../services/session-service.js';
import type { TokenService } from '../../services/token-service.js';
import type { VerificationStats } from '../../verification/verification-stats.js';
import type { Verifier } from '../../verification/verifier.js';
import type { LifecyclePublisher } from './lifecycle-publisher.js';
import type { ResolvedOptions } from './resolve-options.js';
import type { SessionJournal } from './session-journal.js';

/** Parts of one SessionModule for its guard, admin, metrics and health checks, made by `wire`. Also their injection token. */
export abstract class SessionRuntime {
  abstract readonly options: ResolvedOptions;
  abstract readonly clock: Clock;
  abstract readonly database: Database;
  /** Null without the option `redis`. */
  abstract readonly shared: SharedBackend | null;
  abstract readonly nearCache: NearCache | null;
  abstract readonly coherence: CacheCoherence;
  abstract readonly activity: ActivityRecorder;
  abstract readonly journal: SessionJournal;
  abstract readonly events: LifecyclePublisher;
  abstract readonly verifier: Verifier;
  /** Counts this module's verifications. */
  abstract readonly stats: VerificationStats;
  abstract readonly tokens: TokenService;
  abstract readonly sessions: SessionService;
  abstract readonly operators: OperatorService;
  abstract readonly queries: SessionQueries;
  abstract readonly online: OnlineQueries;
  abstract readonly sightingQueries: SightingQueries;
  abstract readonly failedLoginQueries: FailedLoginQueries;
  abstract readonly statisticQueries: StatisticQueries;
  /** Joins the other nodes and starts the background work. */
  abstract start(): Promise<void>;
  /** Stops the background work, flushes pending writes and closes the connections. */
  abstract stop(): Promise<void>;
  /** See SessionSweep. */
  abstract sweep(): Promise<void>;
}
