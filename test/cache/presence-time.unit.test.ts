import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SessionSweep } from 'lib/background.js';
import { D, PresenceHarness, type PresentNode, SILENCE, WINDOW } from './presence-harness.js';

/** A node stops using copies this much before the others believe it. */
const MARGIN = 250;
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

  it('asks for the changes since the last poll, and for all once some of those may have been purged', async () => {
    harness.nodeRegistry.commit('one', 2);
    await harness.poll(node);
    harness.nodeRegistry.commit('another', 2);
    await harness.time.pass(WINDOW - 1);
    await harness.poll(node);
    expect(lastAsked()).toBe(1);
    expect(node.changes.map(({ sessionId }) => sessionId)).toEqual(['one', 'another']);
    expect([mayCache(), node.inactive]).toEqual([true, 0]);
    await harness.time.pass(WINDOW);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, null]);
  });

  it('asks again for what a poll that failed has missed', async () => {
    await harness.poll(node);
    harness.nodeRegistry.commit('one', 2);
    let answered = 0;
    harness.nodeRegistry.before = (step) => {
      if (step === 'changes' && answered++ < 3) throw new Error('The reply was lost.');
    };
    for (let time = 0; time < 3; time++) await node.presence.poll().catch(() => undefined);
    await harness.poll(node);
    expect([node.changes.length, lastAsked()]).toEqual([1, 0]);
  });

  it('begins anew where its row is gone', async () => {
    await harness.nodeRegistry.leave(node.id);
    await node.presence.poll();
    expect([mayCache(), node.inactive]).toEqual([false, 1]);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, null]);
  });

  it.each([HOUR, -HOUR, 1001, -1001])('begins anew where the clock of the database is set by %d ms', async (step) => {
    harness.time.clock.advance(step);
    const polling = node.presence.poll();
    await polling;
    expect([mayCache(), node.inactive]).toEqual([false, 1]);
    await harness.poll(node);
    expect([mayCache(), lastAsked()]).toEqual([true, null]);
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

  it('tries to remove a row once at a time, as its writer may have it locked', async () => {
    let tries = 0;
    let release!: () => void;
    harness.nodeRegistry.before = (step) => {
      if (step !== 'remove') return undefined;
      tries++;
      return new Promise((resolve) => (release = resolve));
    };
    await harness.pass(SILENCE + 3000, node);
    expect(tries).toBe(1);
    release();
    await harness.time.settle();
    expect(harness.nodeRegistry.row('other')).toBeUndefined();
    harness.nodeRegistry.put({ id: 'other' });
    await harness.pass(SILENCE + 1000, node);
    expect(tries).toBe(2);
  });

  it('waits for a node as long as that one says', async () => {
    harness.nodeRegistry.put({ id: 'other', silenceMs: 2 * SILENCE, poll: 2 });
    await harness.pass(2 * SILENCE - 500, node);
    expect(harness.nodeRegistry.row('other')).toBeDefined();
    await harness.pass(1000, node);
    expect(harness.nodeRegistry.row('other')).toBeUndefined();
  });
});

describe('which changes are purged', () => {
  const MINUTE = 60_000;
  const KEEP = WINDOW + MINUTE;
  let harness: PresenceHarness;

  beforeEach(() => {
    harness = new PresenceHarness();
  });
  afterEach(() => harness.end());

  const sweep = async ({ presence }: PresentNode) => {
    const nothing = { purge: async () => undefined };
    await new SessionSweep({
      nodeRegistry: harness.nodeRegistry,
      presence,
      activity: { flush: async () => undefined, lostAt: -Infinity },
      rules: { idleMs: null },
      changes: { commit: async () => [] },
      repository: nothing,
      journal: nothing,
    } as unknown as ConstructorParameters<typeof SessionSweep>[0]).run();
    return harness.nodeRegistry.logged;
  };

  it('those that this node has seen for longer than it needs them, however long they took to be seen', async () => {
    const node = await harness.joined();
    harness.nodeRegistry.commit('early', 2);
    await harness.pass(1000, node);
    await harness.pass(KEEP - 1000, node);
    expect(await sweep(node)).toEqual(['early']);
    harness.nodeRegistry.commit('late', 2);
    // Positions are not remembered from every poll.
    await harness.pass(KEEP / 8, node);
    expect(await sweep(node)).toEqual(['late']);
    await harness.pass(KEEP, node);
    expect(await sweep(node)).toEqual([]);
  });

  it('none that the slowest node may need', async () => {
    const slow = await harness.joined({ windowMs: 2 * WINDOW });
    const node = await harness.joined();
    harness.nodeRegistry.commit('early', 2);
    await harness.pass(KEEP * 1.2, node, slow);
    expect(await sweep(node)).toEqual(['early']);
    await slow.presence.stop();
    await harness.pass(500, node);
    expect(await sweep(node)).toEqual([]);
  });

  it.each([MINUTE, -MINUTE])('none by what was seen before the clock was set by %d ms', async (step) => {
    const node = await harness.joined();
    harness.nodeRegistry.commit('early', 2);
    await harness.pass(KEEP, node);
    harness.time.clock.advance(step);
    await harness.pass(KEEP - 1000, node);
    expect(await sweep(node)).toEqual(['early']);
    await harness.pass(KEEP / 8, node);
    expect(await sweep(node)).toEqual([]);
  });
});
