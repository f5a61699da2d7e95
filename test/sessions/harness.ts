import { afterAll, beforeAll } from '@jest/globals';
import type { LifecycleEvent, SessionModuleOptions } from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import type { DatabaseKind, TestDatabase } from '../support/databases.js';
import { type Services, type Sessions, startSessions } from '../support/sessions.js';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A module on a database of its own, with a clock that stands still, for the tests of one describe block. */
export interface Harness extends Services {
  readonly clock: ManualClock;
  readonly runtime: SessionRuntime;
  /** What listeners were told, in order. */
  readonly events: LifecycleEvent[];
  readonly database: TestDatabase;
}

/** Fills in the harness before the tests of the block and closes it after them. */
export function useSessions({ create }: DatabaseKind, options: Partial<SessionModuleOptions> = {}): Harness {
  const harness = { events: [] as LifecycleEvent[], clock: new ManualClock(Date.UTC(2026, 0, 15, 12)) } as {
    -readonly [Key in keyof Harness]: Harness[Key];
  };
  let node: Sessions;

  beforeAll(async () => {
    harness.database = await create();
    node = await startSessions({
      database: harness.database.options,
      clock: harness.clock,
      // Written and swept when a test says so.
      timing: { activityFlush: '5m', sweep: '1h' },
      ...options,
      hooks: { onEvent: (event) => harness.events.push(event), ...options.hooks },
    });
    const { tokens, sessions, operators } = node;
    Object.assign(harness, { tokens, sessions, operators });
    harness.runtime = node.context.get(SessionRuntime, { strict: false });
  });

  afterAll(async () => {
    await node.close();
    await harness.database.drop();
  });
  return harness;
}

/** The events of a user, after listeners had their turn. */
export async function eventsOf({ events }: Harness, userId: string): Promise<LifecycleEvent[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return events.filter((event) => event.userId === userId);
}
