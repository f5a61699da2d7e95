import type { DataSource } from 'typeorm';
import { Logger } from '@nestjs/common';
import { CacheCoherence } from '../cache/cache-coherence.js';
import { NearCache } from '../cache/near-cache.js';
import { ActivityRecorder } from '../core/activity-recorder.js';
import { type Clock, SynchronizedClock } from '../core/clock.js';
import { LoginFlow } from '../core/login-flow.js';
import { PeriodicTask } from '../core/periodic-task.js';
import { SecretKeys } from '../core/secret-keys.js';
import { SessionEnding } from '../core/session-ending.js';
import { invalidOption } from '../core/session-error.js';
import type { SessionRepository } from '../core/session-repository.js';
import { type Timing, resolveTiming } from '../core/timing.js';
import { TokenCodec, randomId } from '../core/token-codec.js';
import { TokenService } from '../core/token-service.js';
import { Verifier } from '../core/verifier.js';
import { type Database, openDatabase } from '../database/database.js';
import { SessionQueries } from '../database/session-queries.js';
import { TypeOrmMembership } from '../database/typeorm-membership.js';
import { TypeOrmSessionRepository } from '../database/typeorm-session-repository.js';
import { describeError } from './describe-error.js';
import { type ResolvedOptions, type SessionModuleOptions, resolveOptions } from './session-options.js';

const SWEEP_BATCH = 200;
const BOOT_MS = 10_000;

/** Everything that one SessionModule is made of, put together in one place. */
export class SessionRuntime {
  private readonly logger = new Logger('SessionModule');
  private readonly tasks: readonly PeriodicTask[];

  private constructor(
    readonly options: ResolvedOptions,
    readonly clock: Clock,
    readonly timing: Timing,
    private readonly database: Database,
    private readonly repository: SessionRepository,
    private readonly membership: TypeOrmMembership,
    readonly coherence: CacheCoherence,
    readonly activity: ActivityRecorder,
    readonly tokens: TokenService,
    readonly queries: SessionQueries,
  ) {
    const report = (task: string) => (failure: { readonly error: unknown } | null) =>
      this.logger.warn(failure ? `${task} fails: ${describeError(failure.error)}` : `${task} works again.`);
    this.tasks = [
      new PeriodicTask(() => coherence.poll(), timing.poll, report('Reading the change log')),
      new PeriodicTask(() => this.flushActivity(), timing.activityFlush, report('Writing activity')),
      new PeriodicTask(() => this.sweep(), timing.sweep, report('Ending overdue sessions')),
    ];
  }

  /** @throws SessionError CONFIGURATION_INVALID, which stops the boot */
  static async create(given: SessionModuleOptions, applicationSource: DataSource | undefined): Promise<SessionRuntime> {
    const options = resolveOptions(given);
    const { realm } = options;
    const keys = new SecretKeys(options.secret, realm);
    const timing = resolveTiming(options.timing);
    const source = options.database ?? applicationSource;
    if (!source) {
      throw invalidOption(
        'database',
        'is missing, and there is no default DataSource: import TypeOrmModule.forRoot(), or give a DataSource or its options',
      );
    }
    const clock = options.clock ?? new SynchronizedClock();
    const database = await openDatabase({
      source,
      runMigrations: options.runMigrations,
      lanes: { ...options.connections, control: 2 },
      budgetMs: Math.max(timing.verifyBudget, timing.loginBudget, timing.endBudget),
    });
    const { engine, tables, embedded } = database;
    const membership = new TypeOrmMembership(engine, tables, realm, Math.max(timing.poll, timing.pollFreshness / 2));
    const coherence = new CacheCoherence(membership, clock, {
      nodeId: randomId(),
      nearCache: options.nearCache ? new NearCache(options.nearCache.maxEntries) : null,
      pollFreshnessMs: timing.pollFreshness,
      silenceMs: embedded ? timing.pollFreshness : Math.max(timing.pollFreshness, timing.outageGrace),
      copyAgeMs: timing.copyAge,
      confirmMs: timing.endBudget * 0.8,
    });
    const repository = new TypeOrmSessionRepository(engine, tables, realm, clock, {
      verifyMs: timing.verifyBudget,
      loginMs: timing.loginBudget,
      endMs: timing.endBudget,
    });
    const codec = new TokenCodec(keys, options.tokenPrefix);
    const activity = new ActivityRecorder(repository);
    const tokens = new TokenService({
      realm,
      keys,
      repository,
      verifier: new Verifier({
        codec,
        repository,
        cache: coherence,
        clock,
        endReasonTtlMs: timing.endReasonTtl,
        parallelReads: options.connections.verify,
        budgetMs: timing.verifyBudget,
      }),
      loginFlow: new LoginFlow({
        keys,
        codec,
        lifetimes: options.tokens,
        policy: options.policy,
        repository,
        activity,
        clock,
        loginBudgetMs: timing.loginBudget,
      }),
      ending: new SessionEnding(repository, coherence),
      confirmation: coherence,
      activity,
      clock,
    });
    const queries = new SessionQueries(engine, tables, realm, clock, timing.endBudget);
    return new SessionRuntime(
      options,
      clock,
      timing,
      database,
      repository,
      membership,
      coherence,
      activity,
      tokens,
      queries,
    );
  }

  /** Joins the other nodes and begins the background work. */
  async start(): Promise<void> {
    await this.join();
    for (const task of this.tasks) task.start();
  }

  /** The first poll may find the database busy with the boots of other nodes. */
  private async join(): Promise<void> {
    const deadline = this.clock.monotonic() + BOOT_MS;
    for (;;) {
      try {
        return await this.coherence.poll();
      } catch (error) {
        if (this.clock.monotonic() > deadline) throw error;
      }
    }
  }

  /** Ends the background work, writes what is pending and closes the connections. */
  async stop(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.stop()));
    await this.activity.flush();
    await this.coherence.stop().catch((error: unknown) => this.logger.warn(`Leaving failed: ${describeError(error)}`));
    await this.database.engine.close();
  }

  private async flushActivity(): Promise<void> {
    const { dropped } = this.activity;
    await this.activity.flush();
    if (this.activity.dropped > dropped)
      throw new Error(`${this.activity.dropped - dropped} uses of sessions were dropped`);
  }

  /** Ends what is overdue, so that lists and limits are right though nobody comes back, and forgets old changes. */
  async sweep(): Promise<void> {
    while ((await this.repository.endOverdueSessions(SWEEP_BATCH)).length === SWEEP_BATCH);
    await this.membership.purge(this.clock.now() - 2 * this.timing.copyAge);
  }
}
