import type { DataSource } from 'typeorm';
import { Logger } from '@nestjs/common';
import { Changes } from '../../changes/commit.js';
import { CacheCoherence, changeWindow } from '../../cluster/cache-coherence.js';
import { NearCache } from '../../cluster/near-cache.js';
import type { SharedBackend } from '../../cluster/shared-cache.js';
import { ActivityRecorder } from '../../journal/activity-recorder.js';
import { type Clock, SynchronizedClock } from '../../ports/clock.js';
import { type Services, createServices } from '../../services/create-services.js';
import { ABANDONED_AFTER_MS } from '../../rules/device-policy.js';
import { PeriodicTask } from '../../async/periodic-task.js';
import { SecretKeys } from '../../tokens/secret-keys.js';
import { invalidOption } from '../../model/session-error.js';
import { type Timing, resolveTiming } from '../../model/timing.js';
import { randomId } from '../../tokens/token-codec.js';
import { VerificationStats } from '../../verification/verification-stats.js';
import { type Database, openDatabase } from '../../database/engine/database.js';
import { OnlineQueries } from '../../database/lists/online-queries.js';
import { SessionQueries } from '../../database/lists/session-queries.js';
import { SqlDataRepository } from '../../database/transactions/sql-data-repository.js';
import { SqlNodeRegistry } from '../../database/cluster/sql-node-registry.js';
import { SqlSessionRepository } from '../../database/transactions/sql-session-repository.js';
import { describeError } from './describe-error.js';
import { joinNodes } from './join-nodes.js';
import { LifecyclePublisher } from './lifecycle-publisher.js';
import { type ResolvedOptions, type SessionModuleOptions, resolveOptions } from './session-options.js';
import { SessionRecords } from './session-records.js';
import { SessionSweep } from './session-sweep.js';

/** Tokens that are known by their hash, unless the near cache has room for more sessions. */
const KNOWN_TOKENS = 10_000;
/** How often copies in use are read again before they are too old: a part of the age at which they are. */
const COPY_AGE_PARTS = 60;
/** Other nodes know of a first use after this long at most, long before they take the login for abandoned. */
const FIRST_USE_MS = ABANDONED_AFTER_MS / 4;
/** Longest time until a node notices that messages do not reach it, as a part of D. */
const HEARTBEAT_SHARE = 2;

/** Everything that one SessionModule is made of, put together in one place. */
export class SessionRuntime {
  private readonly logger = new Logger('SessionModule');
  private readonly tasks: readonly PeriodicTask[];

  private constructor(
    readonly options: ResolvedOptions,
    readonly clock: Clock,
    readonly timing: Timing,
    readonly database: Database,
    readonly coherence: CacheCoherence,
    readonly activity: ActivityRecorder,
    readonly events: LifecyclePublisher,
    readonly services: Services,
    readonly queries: SessionQueries,
    readonly online: OnlineQueries,
    readonly records: SessionRecords,
    private readonly sweeping: SessionSweep,
    /** Counts of this module's verifications. */
    readonly stats: VerificationStats,
    readonly shared: SharedBackend | null,
    readonly nearCache: NearCache | null,
  ) {
    const report = (task: string) => (failure: { readonly error: unknown } | null) =>
      this.logger.warn(failure ? `${task} fails: ${describeError(failure.error)}` : `${task} works again.`);
    this.tasks = [
      new PeriodicTask(() => coherence.poll(), timing.poll, report('Reading the change log')),
      new PeriodicTask(() => this.flushActivity(), timing.activityFlush, report('Writing activity')),
      new PeriodicTask(() => activity.flushFirst(), FIRST_USE_MS, report('Writing first uses')),
      ...records.tasks(timing, report),
      new PeriodicTask(() => this.sweep(), timing.sweep, report('Ending overdue sessions')),
      new PeriodicTask(async () => database.engine.tidy?.(), timing.sweep, report('Keeping the database tidy')),
      new PeriodicTask(
        () => services.lookup.refreshCopies(),
        timing.copyAge / COPY_AGE_PARTS,
        report('Reading copies again'),
      ),
    ];
  }

  /** @throws SessionError CONFIGURATION_INVALID, which stops the boot */
  static async create(given: SessionModuleOptions, applicationSource: DataSource | undefined): Promise<SessionRuntime> {
    const options = resolveOptions(given);
    const { realm } = options;
    const keys = new SecretKeys(options.secret, realm);
    const timing = resolveTiming(options.timing, options.redis !== undefined);
    const source = options.database ?? applicationSource;
    if (!source) {
      throw invalidOption(
        'database',
        'is missing, and there is no default DataSource: import TypeOrmModule.forRoot(), or give a DataSource or its options',
      );
    }
    const clock = options.clock ?? new SynchronizedClock();
    const nodeId = randomId();
    const nearCache = options.nearCache ? new NearCache(options.nearCache.maxEntries) : null;
    const logger = new Logger('SessionModule');
    const shared =
      options.redis?.create({
        realm,
        nodeId,
        copyAgeMs: timing.copyAge,
        verifyBudgetMs: timing.verifyBudget,
        tombstoneMs: changeWindow(timing.copyAge),
        heartbeatMs: timing.pollFreshness / HEARTBEAT_SHARE,
        warn: (message) => logger.warn(message),
        now: () => clock.now(),
      }) ?? null;
    const database = await openDatabase({
      source,
      runMigrations: options.runMigrations,
      lanes: { ...options.connections, control: 2, records: 1 },
      budgetMs: Math.max(timing.verifyBudget, timing.loginBudget, timing.endBudget),
      datesByDatabase: !options.clock,
      warn: (message) => logger.warn(message),
    });
    const { engine, tables, embedded } = database;
    const nodeRegistry = new SqlNodeRegistry(engine, tables, realm, Math.max(timing.poll, timing.pollFreshness / 2));
    const coherence = new CacheCoherence(nodeRegistry, clock, {
      nodeId,
      nearCache,
      shared,
      pollFreshnessMs: timing.pollFreshness,
      silenceMs: embedded ? timing.pollFreshness : Math.max(timing.pollFreshness, timing.outageGrace),
      copyAgeMs: timing.copyAge,
      acknowledgeMs: timing.endBudget * 0.8,
    });
    const budgets = { verifyMs: timing.verifyBudget, loginMs: timing.loginBudget, endMs: timing.endBudget };
    const repository = new SqlSessionRepository(engine, tables, realm, clock, budgets);
    const records = new SessionRecords(database, options, timing, clock);
    const activity = new ActivityRecorder(repository, records.sightings);
    const events = new LifecyclePublisher(realm, records.statistics);
    const { hooks } = options;
    if (hooks.onEvent) events.add((event) => hooks.onEvent!(event));
    const changes = new Changes(coherence, events, clock);
    const stats = new VerificationStats();
    const services = createServices({
      realm,
      keys,
      tokenPrefix: options.tokenPrefix,
      mode: options.tokens,
      policy: options.policy,
      idleMs: options.idleMs,
      keepReplacedData: options.onReplace === 'keep',
      // Called on its object: the hooks may be an instance of a class.
      beforeLogin: hooks.beforeLogin ? (login) => hooks.beforeLogin!(login) : null,
      timing,
      parallelReads: options.connections.verify,
      repository,
      dataRepository: new SqlDataRepository(engine, tables, realm, clock, timing.endBudget),
      cache: coherence,
      changes,
      maxKnownTokens: Math.max(KNOWN_TOKENS, options.nearCache ? options.nearCache.maxEntries : 0),
      stats,
      activity,
      eventBatch: records.events,
      events,
      clock,
    });
    const scope = { engine, tables, realm, clock, budgetMs: timing.endBudget };
    const queries = new SessionQueries(scope);
    const online = new OnlineQueries(scope);
    return new SessionRuntime(
      options,
      clock,
      timing,
      database,
      coherence,
      activity,
      events,
      services,
      queries,
      online,
      records,
      new SessionSweep({
        ...options,
        repository,
        nodeRegistry,
        presence: coherence.presence,
        records,
        activity,
        changes,
        clock,
        timing,
      }),
      stats,
      shared,
      nearCache,
    );
  }

  /** Joins the other nodes and begins the background work. */
  async start(): Promise<void> {
    const { coherence, logger, timing } = this;
    coherence.start();
    await joinNodes(coherence.presence, { pollMs: timing.poll, silenceMs: () => coherence.silenceMs, logger });
    for (const task of this.tasks) task.start();
    this.services.watch.start();
  }

  /** Ends the background work, writes what is pending and closes the connections. */
  async stop(): Promise<void> {
    await Promise.all([this.services.watch.stop(), ...this.tasks.map((task) => task.stop())]);
    await Promise.all([this.activity.flush(), this.records.flush()]);
    await this.coherence.stop().catch((error: unknown) => this.logger.warn(`Leaving failed: ${describeError(error)}`));
    await this.database.engine.close();
  }

  private async flushActivity(): Promise<void> {
    const { dropped } = this.activity;
    await this.activity.flush();
    if (this.activity.dropped > dropped)
      throw new Error(`${this.activity.dropped - dropped} uses of sessions were dropped`);
  }

  /** See SessionSweep. */
  sweep(): Promise<void> {
    return this.sweeping.run();
  }
}
