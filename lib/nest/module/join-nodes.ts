import { setTimeout as pause } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import type { NodePresence } from '../../cluster/node-presence.js';
import type { NodeRow } from '../../ports/node-registry.js';
import { SessionError } from '../../model/session-error.js';
import { adviceFor } from '../../database/full-disk.js';
import { describeError } from './describe-error.js';

/** How long the first look at the other nodes is tried: the database may be busy with their boots. */
const BOOT_MS = 10_000;
const LOOK_MS = 100;
const RIGHTS = 'SELECT, INSERT, UPDATE and DELETE on them';
/** How much longer than a node can be silent it is waited for, should the database not answer meanwhile. */
const SLACK_MS = 1000;
/** A node that is there is heard of within this many of its polls. */
const POLLS = 2;

/**
 * Joins the other nodes. While one of them may still accept tokens from memory, every login that replaces a session would
 * have to wait for it; so a boot waits until each has polled, or has been silent for so long that it does not.
 * @param silenceMs the longest time for which a node may be silent
 */
export async function joinNodes(
  presence: NodePresence,
  {
    pollMs,
    silenceMs,
    logger,
  }: { pollMs: number; silenceMs: () => number; logger: Required<Pick<LoggerService, 'log' | 'warn'>> },
): Promise<void> {
  await pollFirst(presence);
  const startedAt = performance.now();
  // One that joins later waits for this node.
  const present = new Set(presence.unheardNodes.map(({ id }) => id));
  const unheard = () => presence.unheardNodes.filter(({ id }) => present.has(id));
  let awaited: readonly NodeRow[] = [];
  while (unheard().length > 0 && performance.now() - startedAt < silenceMs() + SLACK_MS) {
    if (awaited.length === 0 && performance.now() - startedAt >= POLLS * pollMs) {
      awaited = unheard();
      logger.warn(waitingFor(awaited, silenceMs()));
    }
    await pause(LOOK_MS);
    await presence.poll().catch(() => undefined);
  }
  if (awaited.length > 0) logger.log(`Went on after ${seconds(performance.now() - startedAt)} s.`);
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
