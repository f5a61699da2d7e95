import type { DataSource } from 'typeorm';
import { Logger } from '@nestjs/common';
import { Changes } from '../../changes/commit.js';
import { MassEndClosing } from '../../changes/mass-end-closing.js';
import { CacheCoherence } from '../../cluster/cache-coherence.js';
import { changeWindow } from '../../cluster/recent-changes.js';
import { describeLoss } from '../../cluster/final-ends.js';
import { NearCache } from '../../cluster/near-cache.js';
import type { NodePresence } from '../../cluster/node-presence.js';
import { ApplicationCalls } from '../../commands/application-calls.js';
import type { LoginAttempt } from '../../commands/arguments.js';
import { Bans } from '../../commands/ban.js';
import { UserClaims } from '../../commands/claims.js';
import { Logins } from '../../commands/login.js';
import { SessionChanges } from '../../commands/change.js';
import { SessionEnding } from '../../commands/end.js';
import { Refreshes } from '../../commands/refresh.js';
import { SqlNodeRegistry } from '../../database/cluster/sql-node-registry.js';
import { openDatabase } from '../../database/engine/database.js';
import { JournalPurge } from '../../database/journal/journal-purge.js';
import { SqlJournalRepository } from '../../database/journal/sql-journal-repository.js';
import { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import { OnlineQueries } from '../../database/lists/online-queries.js';
import { SessionQueries } from '../../database/lists/session-queries.js';
import { SightingQueries } from '../../database/lists/sighting-queries.js';
import { StatisticQueries } from '../../database/lists/statistic-queries.js';
import { LostEnds } from '../../database/transactions/lost-ends.js';
import { SqlMassEndRows } from '../../database/transactions/mass-end-rows.js';
import { SqlDataRepository } from '../../database/transactions/sql-data-repository.js';
import { SqlSessionRepository } from '../../database/transactions/sql-session-repository.js';
import { ActivityRecorder } from '../../journal/activity-recorder.js';
import { FailedLogins } from '../../journal/failed-logins.js';
import { invalidOption } from '../../model/session-error.js';
import { channelCheckMs } from '../../model/timing.js';
import { SynchronizedClock } from '../../ports/clock.js';
import type { RotationRules } from '../../rules/rotation.js';
import { OperatorService } from '../../services/operator-service.js';
import { SessionService } from '../../services/session-service.js';
import { TokenService } from '../../services/token-service.js';
import { opaqueAccessTokens } from '../../tokens/access-token-format.js';
import { SecretKeys } from '../../tokens/secret-keys.js';
import { TokenCodec, randomId } from '../../tokens/token-codec.js';
import { TokenIssuer } from '../../tokens/token-issuer.js';
import { IdleTimeout } from '../../verification/idle-timeout.js';
import { KnownTokens } from '../../verification/known-tokens.js';
import { SessionLookup } from '../../verification/session-lookup.js';
import { SessionWatch } from '../../verification/session-watch.js';
import { TokenRenewal } from '../../verification/token-renewal.js';
import { VerificationStats } from '../../verification/verification-stats.js';
import { Verifier } from '../../verification/verifier.js';
import { Background, SessionSweep } from './background.js';
import { LifecyclePublisher } from './lifecycle-publisher.js';
import { resolveOptions } from './resolve-options.js';
import type { SessionModuleOptions } from './session-options.js';
import { SessionJournal } from './session-journal.js';

/** Most tokens known by hash, unless the near cache holds more sessions. */
const KNOWN_TOKENS = 10_000;
/** Share of D within which a node detects that messages do not arrive. */
const HEARTBEAT_SHARE = 2;
/** Resolution of lastSeenAt: the longest interval at which uses are recorded. */
const MAX_USE_INTERVAL_MS = 1000;
const USES_PER_FLUSH = 10;

/** Creates one SessionModule, from the database up. @throws SessionError CONFIGURATION_INVALID, which stops the boot */
export async function wire(given: SessionModuleOptions, applicationSource?: DataSource) {
  const options = resolveOptions(given);
  const { realm, timing, tokens: mode, policy, hooks, allowLongerLife } = options;
  const keys = new SecretKeys(options.secret, realm);
  const source = options.database ?? applicationSource;
  if (!source) {
    throw invalidOption(
      'database',
      'is required without a default DataSource: import TypeOrmModule.forRoot(), or pass a DataSource or its options',
    );
  }
  const clock = options.clock ?? new SynchronizedClock();
  const nodeId = randomId();
  const warn = (message: string) => new Logger('SessionModule').warn(message);

  // Caches.
  const nearCache = options.nearCache ? new NearCache(options.nearCache.maxEntries) : null;
  const shared =
    options.redis?.create({
      realm,
      nodeId,
      copyAgeMs: timing.copyAge,
      verifyBudgetMs: timing.verifyBudget,
      tombstoneMs: changeWindow(timing.copyAge),
      heartbeatMs: timing.pollFreshness / HEARTBEAT_SHARE,
      warn,
      now: () => clock.now(),
    }) ?? null;

  // Database. It may fail before there is anything to tell.
  let presence: NodePresence | null = null;
  const database = await openDatabase({
    source,
    runMigrations: options.runMigrations,
    lanes: { ...options.connections, control: 2, journal: 1 },
    budgetMs: Math.max(timing.verifyBudget, timing.loginBudget, timing.endBudget),
    datesByDatabase: !options.clock,
    measureClock: async () => presence?.poll(),
    onConnectionLost: () => presence?.connectionLost(),
    warn,
  });
  const { engine, tables, embedded } = database;
  const scope = { engine, tables, realm, clock, budgetMs: timing.endBudget };
  // So that closing the application waits no longer than the budget of an end.
  const journalScope = { ...scope, budgetMs: timing.endBudget / 2 };
  const repository = new SqlSessionRepository({
    ...scope,
    budgets: { verifyMs: timing.verifyBudget, loginMs: timing.loginBudget, endMs: timing.endBudget },
    endOf: (record) => coherence.finalEndOf(record),
  });
  const lostEnds = new LostEnds(scope);
  const nodeRegistry = new SqlNodeRegistry({ ...scope, budgetMs: Math.max(timing.poll, timing.pollFreshness / 2) });

  // Cluster.
  const coherence = new CacheCoherence({
    nodeRegistry,
    clock,
    nodeId,
    nearCache,
    shared,
    pollFreshnessMs: timing.pollFreshness,
    silenceMs: embedded ? timing.pollFreshness : Math.max(timing.pollFreshness, timing.outageGrace),
    copyAgeMs: timing.copyAge,
    acknowledgeMs: timing.endBudget * 0.8,
    endsCheck: {
      restore: (known) => lostEnds.restore(known),
      report: (loss) => {
        warn(describeLoss(loss));
        events.emit({ type: 'database.commits-lost', ...loss });
      },
    },
  });
  presence = coherence.presence;

  // Journal and events.
  const journal = new SessionJournal({
    repository: new SqlJournalRepository(journalScope),
    purging: new JournalPurge(journalScope),
    retention: options.retention,
    clock,
    sightingMs: options.sightings ? timing.sightingInterval : null,
  });
  const activity = new ActivityRecorder(repository, journal.sightings);
  const events = new LifecyclePublisher(realm, journal.statistics);
  // Called on the hooks object, which may be an instance of a class.
  if (hooks.onEvent) events.add((event) => hooks.onEvent!(event));
  const changes = new Changes({ copies: coherence, events, clock });

  // Tokens.
  const codec = new TokenCodec(keys, options.tokenPrefix);
  const format = mode.accessFormat?.() ?? opaqueAccessTokens(codec);
  const issuer = new TokenIssuer({ keys, codec, format, mode, clock, allowLongerLife });
  const rules: RotationRules = {
    mode,
    endReasonTtlMs: timing.endReasonTtl,
    idleMs: options.idleMs,
    allowLongerLife,
    idleSlackMs: 2 * timing.activityFlush,
  };

  // Queries.
  const common = { realm, keys, codec, issuer, repository, cache: coherence, changes, activity, events, clock, rules };
  const stats = new VerificationStats();
  const lookup = new SessionLookup({
    ...common,
    parallelReads: options.connections.verify,
    budgetMs: timing.verifyBudget,
  });
  const known = new KnownTokens({
    cache: coherence,
    clock,
    maxEntries: Math.max(KNOWN_TOKENS, options.nearCache ? options.nearCache.maxEntries : 0),
    maxLength: format.maxLength,
    useIntervalMs: Math.min(MAX_USE_INTERVAL_MS, timing.activityFlush / USES_PER_FLUSH),
  });
  const verifier = new Verifier({
    codec,
    format,
    known,
    lookup,
    cache: coherence,
    // Leaves half of the time to the verification itself.
    renewal: new TokenRenewal({ ...common, lookup, budgetMs: timing.verifyBudget / 2 }),
    idle: new IdleTimeout({ ...common, budgetMs: timing.verifyBudget }),
    activity,
    clock,
    rules,
    stats,
    budgetMs: timing.verifyBudget,
  });
  const watch = new SessionWatch({ cache: coherence, lookup, verifier, clock, everyMs: channelCheckMs(timing) });

  // Commands.
  const closing = new MassEndClosing({ ...common, massEndRows: new SqlMassEndRows(scope, timing.sweep), warn });
  const ending = new SessionEnding(repository, changes, closing);
  const loginBudgetMs = timing.loginBudget;
  const beforeLogin = hooks.beforeLogin ? (login: LoginAttempt) => hooks.beforeLogin!(login) : null;
  const logins = new Logins({
    ...common,
    verifier,
    ending,
    lives: { ...rules, activityFlushMs: timing.activityFlush },
    policy,
    application: new ApplicationCalls({ ...common, beforeLogin, loginBudgetMs }),
    loginBudgetMs,
    keepReplacedData: options.onReplace === 'keep',
  });
  const refreshes = new Refreshes({ ...common, lookup });
  const liveChanges = new SessionChanges({ ...common, lookup });
  const data = new SqlDataRepository(scope);
  const userClaims = new UserClaims({ ...common, ending });
  const bans = new Bans(repository, changes, closing);
  const failedLogins = new FailedLogins({ ...common, batch: journal.events });

  // Background work, and lists.
  const sweep = new SessionSweep({ ...common, nodeRegistry, presence: coherence.presence, journal });
  const background = new Background({ engine, coherence, activity, journal, lookup, watch, sweep, closing, timing });

  return {
    options,
    clock,
    database,
    shared,
    nearCache,
    coherence,
    activity,
    journal,
    events,
    verifier,
    stats,
    tokens: new TokenService({ ...common, verifier, watch, logins, refreshes, ending, failedLogins }),
    sessions: new SessionService({ ...common, lookup, watch, ending, liveChanges, userClaims, data }),
    operators: new OperatorService({ ...common, ending, bans, logins }),
    queries: new SessionQueries(scope),
    online: new OnlineQueries(scope),
    sightingQueries: new SightingQueries(scope, timing.sightingInterval + timing.activityFlush),
    failedLoginQueries: new FailedLoginQueries(scope),
    statisticQueries: new StatisticQueries(scope),
    closing,
    start: () => background.start(),
    stop: () => background.stop(),
    sweep: () => sweep.run(),
  };
}
