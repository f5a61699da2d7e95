import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { PeriodicTask } from '../../async/periodic-task.js';
import type { Changes } from '../../changes/commit.js';
import type { MassEndClosing } from '../../changes/mass-end-closing.js';
import type { CacheCoherence } from '../../cluster/cache-coherence.js';
import type { NodePresence } from '../../cluster/node-presence.js';
import type { Engine } from '../../database/engine/engine.js';
import { adviceFor } from '../../database/engine/dialect.js';
import type { ActivityRecorder } from '../../journal/activity-recorder.js';
import { SessionError, describeError } from '../../model/session-error.js';
import type { Timing } from '../../model/timing.js';
import type { EndedSession } from '../../model/session-change.js';
import type { Clock } from '../../ports/clock.js';
import type { NodeRegistry, NodeRow } from '../../ports/node-registry.js';
import type { SessionRepository } from '../../ports/session-repository.js';
import { ABANDONED_AFTER_MS } from '../../rules/device-policy.js';
import type { RotationRules } from '../../rules/rotation.js';
import type { SessionLookup } from '../../verification/session-lookup.js';
import type { SessionWatch } from '../../verification/session-watch.js';
import type { SessionJournal } from './session-journal.js';

/** Refreshes copies in use this many times within their lifetime. */
const COPY_AGE_PARTS = 60;
/** Longest time until other nodes know of a first use, long before they would treat the login as abandoned. */
const FIRST_USE_MS = ABANDONED_AFTER_MS / 4;
/** Short, because events are few, and an operator may be watching. */
const EVENT_FLUSH_MS = 1000;

/** How long the first poll is retried: the database may be busy with the boots of other nodes. */
const BOOT_MS = 10_000;
const LOOK_MS = 100;
const RIGHTS = 'SELECT, INSERT, UPDATE and DELETE on them';
/** Extra wait beyond the longest silence of a node, in case the database does not answer meanwhile. */
const SLACK_MS = 1000;
/** Polls within which a live node is noticed. */
const POLLS = 2;

/** Background work of a module: joins the other nodes, runs periodic tasks, and leaves. */
export class Background {
  private readonly logger = new Logger('SessionModule');
  private readonly tasks: readonly PeriodicTask[];

  constructor(
    private readonly parts: {
      readonly engine: Engine;
      readonly coherence: CacheCoherence;
      readonly activity: ActivityRecorder;
      readonly journal: SessionJournal;
      readonly lookup: SessionLookup;
      readonly watch: SessionWatch;
      readonly sweep: SessionSweep;
      readonly closing: MassEndClosing;
      readonly timing: Timing;
    },
  ) {
    const { engine, coherence, activity, journal, lookup, sweep, closing, timing } = parts;
    const { poll, activityFlush, copyAge } = timing;
    const every = (ms: number, name: string, work: () => Promise<unknown> | undefined) =>
      new PeriodicTask(
        async () => void (await work()),
        ms,
        (failure) =>
          this.logger.warn(failure ? `${name} failed: ${describeError(failure.error)}` : `${name} has recovered.`),
      );
    this.tasks = [
      every(poll, 'Reading the change log', () => coherence.poll()),
      every(activityFlush, 'Writing activity', () => this.flushActivity()),
      every(FIRST_USE_MS, 'Writing first uses', () => activity.flushFirst()),
      every(Math.min(EVENT_FLUSH_MS, activityFlush), 'Writing events', () => journal.flushEvents()),
      every(activityFlush, 'Writing sightings and statistics', () => journal.flushOthers()),
      every(timing.sweep, 'Ending overdue sessions', () => sweep.run()),
      every(timing.sweep, 'Closing ended sessions', () => closing.run()),
      every(timing.sweep, 'Keeping the database tidy', () => engine.tidy?.()),
      every(copyAge / COPY_AGE_PARTS, 'Reading copies again', () => lookup.refreshCopies()),
    ];
  }

  async start(): Promise<void> {
    const { coherence, timing, watch } = this.parts;
    coherence.start();
    await this.join(coherence.presence, timing.poll, () => coherence.silenceMs);
    for (const task of this.tasks) task.start();
    watch.start();
  }

  async stop(): Promise<void> {
    const { engine, coherence, activity, journal, watch, closing } = this.parts;
    await Promise.all([watch.stop(), closing.stop(), ...this.tasks.map((task) => task.stop())]);
    await Promise.all([activity.flush(), journal.flush()]);
    await coherence.stop().catch((error: unknown) => this.logger.warn(`Leaving failed: ${describeError(error)}`));
    await engine.close();
  }

  private async flushActivity(): Promise<void> {
    const { activity } = this.parts;
    const { dropped } = activity;
    await activity.flush();
    if (activity.dropped > dropped) throw new Error(`${activity.dropped - dropped} uses of sessions were dropped`);
  }

  /**
   * While another node may accept tokens from memory without knowing of this one, every login that replaces a session
   * would wait for it. So a boot waits until each has polled or been silent for too long. @param silenceMs longest of
   * any node
   */
  private async join(presence: NodePresence, pollMs: number, silenceMs: () => number): Promise<void> {
    await pollFirst(presence);
    const startedAt = performance.now();
    // A node that joins later waits for this one.
    const present = new Set(presence.unheardNodes.map(({ id }) => id));
    const unheard = () => presence.unheardNodes.filter(({ id }) => present.has(id));
    let awaited: readonly NodeRow[] = [];
    while (unheard().length > 0 && performance.now() - startedAt < silenceMs() + SLACK_MS) {
      if (awaited.length === 0 && performance.now() - startedAt >= POLLS * pollMs) {
        awaited = unheard();
        this.logger.warn(waitingFor(awaited, silenceMs()));
      }
      await pause(LOOK_MS);
      await presence.poll().catch(() => undefined);
    }
    if (awaited.length > 0) this.logger.log(`Went on after ${seconds(performance.now() - startedAt)} s.`);
  }
}

async function pollFirst(presence: NodePresence): Promise<void> {
  const deadline = performance.now() + BOOT_MS;
  for (;;) {
    try {
      return await presence.poll();
    } catch (cause) {
      if (performance.now() <= deadline) continue;
      const advice = adviceFor(cause, `Its database user needs ${RIGHTS}.`);
      const why = `SessionModule cannot write to its tables (${describeError(cause)}). ${advice}`;
      throw new SessionError('CONFIGURATION_INVALID', why, { cause });
    }
  }
}

function waitingFor(nodes: readonly NodeRow[], silenceMs: number): string {
  const names = nodes.map(({ id, renewedAt }) => `${id} (last heard of at ${new Date(renewedAt).toISOString()})`);
  return (
    `Waits for ${names.join(', ')}, which may still accept tokens from memory, for ${seconds(silenceMs)} s at most. ` +
    'A server that was killed did not sign off: call app.enableShutdownHooks(), and stop it with SIGTERM.'
  );
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

const BATCH = 200;

/** Ends overdue and idle sessions, so that lists and limits are right even if no request comes, and purges old data. */
export class SessionSweep {
  constructor(
    private readonly parts: {
      readonly repository: SessionRepository;
      readonly nodeRegistry: NodeRegistry;
      readonly presence: Pick<NodePresence, 'purgeablePosition'>;
      readonly journal: SessionJournal;
      readonly activity: ActivityRecorder;
      readonly changes: Changes;
      readonly clock: Clock;
      readonly rules: Pick<RotationRules, 'idleMs' | 'allowLongerLife' | 'idleSlackMs'>;
    },
  ) {}

  async run(): Promise<void> {
    const { repository, nodeRegistry, presence, journal, activity, rules } = this.parts;
    await this.endAll(() => repository.endOverdueSessions(BATCH));
    await activity.flush();
    const idle = { ...rules, slackMs: rules.idleSlackMs, lostAt: activity.lostAt };
    await this.endAll(() => repository.endIdleSessions(idle, BATCH));
    const seen = presence.purgeablePosition;
    if (seen) await nodeRegistry.purge(seen);
    await journal.purge();
  }

  private async endAll(endSome: () => Promise<readonly EndedSession[]>): Promise<void> {
    for (;;) {
      const ended = await this.parts.changes.commit({
        holding: [],
        transaction: endSome,
        // Every node refuses overdue sessions by the clock, and asks the database about idle ones, whatever its copy
        // says.
        outcomeOf: (ends) => ({ ended: ends, reach: 'applied' }),
      });
      if (ended.length < BATCH) return;
    }
  }
}
