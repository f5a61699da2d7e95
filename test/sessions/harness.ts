import { afterAll, beforeAll } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import type { LifecycleEvent, SessionModuleOptions } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import type { DatabaseKind, TestDatabase } from '../support/databases.js';
import { type Services, startSessions } from '../support/sessions.js';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A module as tests of services see it. */
interface Node extends Services {
  readonly context: INestApplicationContext;
  readonly runtime: SessionRuntime;
  readonly online: OnlineUsersService;
  readonly close: () => Promise<void>;
}

/** A module on a database of its own, with a clock that stands still, for the tests of one describe block. */
export interface Harness extends Node {
  readonly clock: ManualClock;
  /** What listeners were told, in order. */
  readonly events: LifecycleEvent[];
  readonly database: TestDatabase;
  /** Starts another node with the same database, clock and options but for these; it is closed with the block at the latest. */
  readonly another: (options?: Partial<SessionModuleOptions>) => Promise<Node>;
}

async function startNode(options: Partial<SessionModuleOptions>): Promise<Node> {
  const node = await startSessions(options, [OnlineUsersService]);
  const [runtime, online] = [SessionRuntime, OnlineUsersService].map((type) =>
    node.context.get<unknown>(type, { strict: false }),
  ) as [SessionRuntime, OnlineUsersService];
  let closed: Promise<void> | undefined;
  return { ...node, runtime, online, close: () => (closed ??= node.close()) };
}

/** Fills in the harness before the tests of the block and closes it after them. */
export function useSessions(
  { create }: DatabaseKind,
  { hooks, ...options }: Partial<SessionModuleOptions> = {},
): Harness {
  const [events, clock] = [[] as LifecycleEvent[], new ManualClock(Date.UTC(2026, 0, 15, 12))];
  const nodes: Node[] = [];
  // Written and swept when a test says so.
  const timing = { activityFlush: '5m', sweep: '1h' } as const;
  const another = async (more: Partial<SessionModuleOptions> = {}) => {
    const node = await startNode({ database: harness.database.options, clock, timing, ...options, ...more });
    nodes.push(node);
    return node;
  };
  const harness = { events, clock, another } as { -readonly [Key in keyof Harness]: Harness[Key] };

  beforeAll(async () => {
    harness.database = await create();
    Object.assign(harness, await another({ hooks: { onEvent: (event) => events.push(event), ...hooks } }));
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await harness.database.drop();
  });
  return harness;
}

export async function eventsOf({ events }: Harness, userId: string): Promise<LifecycleEvent[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return events.filter((event) => 'userId' in event && event.userId === userId);
}
