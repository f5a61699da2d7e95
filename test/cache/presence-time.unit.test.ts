import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { resolveTiming } from 'lib/timing.js';
import { SessionSweep } from 'lib/background.js';
import { ManualClock } from '../../lib/testing/index.js';
import { MemoryMembership } from './memory-node-registry.js';
import { D, PresenceHarness, type PresentNode, SILENCE, WINDOW } from './presence-harness.js';
import { START } from './virtual-time.js';

/** A node stops using copies this much before the others believe it. */
const MARGIN = 250;
const LATE_COMMIT = 15_000;
const HOUR = 3_600_000;

describe('how long a node may go by what it remembers', () => {
  let harness: PresenceHarness;
  let node: PresentNode;
  const mayCache = () => node.presence.mayCache;
  const lastAsked = () => harness.nodeRegistry.asked.at(-1);
  const fail = () => {
    harness.nodeRegistry.before = () => Promise.reject(new Error('The database is gone.'));
  };
  const work = () => {
    harness.nodeRegistry.before = () => undefined;
  };

  beforeEach(async () => {
    harness = new PresenceHarness();
    node = await harness.joined();
    harness.nodeRegistry.put({ id: 'other' });
    await harness.poll(node);
    expect(mayCache()).toBe(true);
  });
  afterEach(() => harness.end());

  it('with no polls: less than D from the start of the last one', async () => {
    await harness.time.pass(D - MARGIN - 1);
    expect(mayCache()).toBe(true);
    await harness.time.pass(1);
    expect(mayCache()).toBe(false);
    expect(node.presence.pollAge).toBe(D - MARGIN);
    await harness.poll(node);
    expect(mayCache()).toBe(true);
  });

  it('counts from the start of a poll and not from its end', async () => {
    await harness.time.pass(500);
    const release: (() => void)[] = [];
    harness.nodeRegistry.before = (step) =>
      step === 'changes' ? new Promise((resolve) => release.push(resolve)) : undefined;
    const polling = node.presence.poll();
    await harness.time.pass(D - 1000);
    release[0]!();
    await polling;
    expect(node.presence.pollAge).toBe(D - 1000);
    expect(mayCache()).toBe(true);
    await harness.time.pass(1000);
    expect(mayCache()).toBe(false);
  });

  it('with a poll that hangs: no longer than with none', async () => {
    harness.nodeRegistry.before = () => new Promise(() => undefined);
    void node.presence.poll();
    await harness.time.pass(D);
    expect(mayCache()).toBe(false);
  });

  it('with polls that fail: less than the grace for an outage, and D again once one has worked', async () => {
    fail();
    await harness.time.pass(500);
    await expect(node.presence.poll()).rejects.toThrow('gone');
    await harness.time.pass(SILENCE - MARGIN - 501);
    expect(mayCache()).toBe(true);
    await harness.time.pass(1);
    expect(mayCache()).toBe(false);
    work();
    await harness.poll(node);
    expect(mayCache()).toBe(true);
    await harness.time.pass(D);
    expect(mayCache()).toBe(false);
  });

  it('asks for the changes of the last moments, and after a longer gap for all that matter', async () => {
    await harness.pass(500, node);
    // What the last poll could not see yet, back to the earliest time that it may bear.
    expect(lastAsked()).toBe(START - LATE_COMMIT);
    await harness.time.pass(LATE_COMMIT - 1);
    await harness.poll(node);
    expect(lastAsked()).toBe(START + 500 - LATE_COMMIT);
    expect([mayCache(), node.inactive]).toEqual([true, 0]);
    await harness.time.pass(LATE_COMMIT);
    await harness.poll(node);
    // What was read is not enough; nothing is used until the whole window has been read.
    expect(node.inactive).toBe(1);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, START + 500 + 2 * LATE_COMMIT - 1 - WINDOW]);
  });

  it('begins anew where its row is gone', async () => {
    await harness.nodeRegistry.leave(node.id);
    await node.presence.poll();
    expect([mayCache(), node.inactive]).toEqual([false, 1]);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, START - WINDOW]);
  });

  it.each([HOUR, -HOUR, 1001, -1001])('begins anew where the clock of the database is set by %d ms', async (step) => {
    harness.time.clock.advance(step);
    const polling = node.presence.poll();
    await polling;
    expect([mayCache(), node.inactive]).toEqual([false, 1]);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, START + step - WINDOW]);
  });

  it('takes a small correction of that clock as it comes', async () => {
    harness.time.clock.advance(900);
    await harness.poll(node);
    expect([mayCache(), node.inactive]).toEqual([true, 0]);
  });

  it('is over where the clock of this machine jumps, as after a sleep', async () => {
    await harness.time.pass(100);
    const wall = Date.now();
    for (const jump of [60_000, -60_000, MARGIN, -MARGIN]) {
      jest.setSystemTime(wall + jump);
      expect(mayCache()).toBe(false);
    }
    jest.setSystemTime(wall + MARGIN - 1);
    expect(mayCache()).toBe(true);
    jest.setSystemTime(wall + 60_000);
    await harness.poll(node);
    expect(mayCache()).toBe(true);
  });

  it('counts those that are silent, and removes their rows for all when nobody need wait for them', async () => {
    await harness.pass(D, node);
    expect(node.presence.silentNodes).toBe(0);
    await harness.pass(500, node);
    expect(node.presence.silentNodes).toBe(1);
    await harness.pass(SILENCE - D - 1000, node);
    expect([node.presence.silentNodes, harness.nodeRegistry.row('other')]).toEqual([1, expect.anything()]);
    await harness.pass(500, node);
    expect([node.presence.silentNodes, harness.nodeRegistry.row('other')]).toEqual([0, undefined]);
  });

  it.each([HOUR, -HOUR])(
    'takes nobody for silent, nor for there, because the database was set by %d ms',
    async (step) => {
      const alive = await harness.joined();
      await harness.poll(node);
      harness.time.clock.advance(step);
      await harness.pass(SILENCE - 500, node, alive);
      expect(harness.nodeRegistry.row('other')).toBeDefined();
      await harness.pass(1000, node, alive);
      expect([harness.nodeRegistry.row('other'), harness.nodeRegistry.row(alive.id)]).toEqual([
        undefined,
        expect.anything(),
      ]);
      expect(mayCache()).toBe(true);
    },
  );

  it('removes nobody who has polled since it looked', async () => {
    await harness.pass(SILENCE - 500, node);
    harness.nodeRegistry.before = (step) => {
      if (step === 'remove') harness.nodeRegistry.put({ id: 'other', poll: 2 });
    };
    await harness.pass(1000, node);
    expect(harness.nodeRegistry.row('other')).toMatchObject({ poll: 2 });
  });

  it('waits for a node as long as that one says', async () => {
    harness.nodeRegistry.put({ id: 'other', silenceMs: 2 * SILENCE, poll: 2 });
    await harness.pass(2 * SILENCE - 500, node);
    expect(harness.nodeRegistry.row('other')).toBeDefined();
    await harness.pass(1000, node);
    expect(harness.nodeRegistry.row('other')).toBeUndefined();
  });

  it('knows since when the clock of the database was not set', async () => {
    await harness.pass(1000, node);
    expect(node.presence.steadyMs).toBe(1000);
    harness.time.clock.advance(HOUR);
    await harness.pass(1500, node);
    expect(node.presence.steadyMs).toBe(1000);
  });
});

describe('which changes are forgotten', () => {
  const MINUTE = 60_000;
  /** The window, and the time for which changes are kept besides. */
  const KEEP = WINDOW + MINUTE;

  it.each([
    ['none by a node that has not watched the clock for so long', KEEP - 1, ['old', 'recent', 'future']],
    ['those that are old, or bear a time of the future, by one that has', KEEP, ['recent']],
  ])('%s', async (_what, steadyMs, kept) => {
    const clock = new ManualClock(START);
    const nodeRegistry = new MemoryMembership(() => clock.now());
    nodeRegistry.commit('old', 1, START - KEEP - 1);
    nodeRegistry.commit('recent', 1, START - KEEP);
    nodeRegistry.commit('future', 1, START + MINUTE + 1);
    const nothing = { purge: async () => undefined };
    await new SessionSweep({
      nodeRegistry,
      presence: { steadyMs },
      clock,
      timing: resolveTiming(),
      rules: { idleMs: null },
      changes: { commit: async () => [] },
      repository: nothing,
      journal: nothing,
    } as unknown as ConstructorParameters<typeof SessionSweep>[0]).run();
    const state = { id: 'me', caching: true, messaging: true, silenceMs: D, poll: 1, polled: 0 };
    const { changes } = await nodeRegistry.poll(state, 0);
    expect(changes.map(({ sessionId }) => sessionId)).toEqual(kept);
  });
});
