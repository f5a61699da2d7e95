import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CoherenceHarness } from './coherence-harness.js';
import { recordOf } from './records.js';
import { START } from './virtual-time.js';

/** How long a change may still take effect whose outcome is not known. */
const UNKNOWN_MS = 15_000;

describe('a copy of a session, while something is under way,', () => {
  let h: CoherenceHarness;
  beforeEach(async () => {
    h = await CoherenceHarness.start();
    expect(h.coherence.caching).toBe(true);
  });
  afterEach(() => h.end());

  it.each([
    ['the session', () => h.record.id],
    ['its account', () => h.record.userKey],
  ])('is not used while %s is being changed, nor kept', async (_what, keyOf) => {
    h.coherence.put(h.record, START);
    const release = h.coherence.hold(keyOf());
    expect([h.near(), await h.shared()]).toEqual([null, null]);
    const late = { ...h.record, version: 5 };
    h.coherence.put(late, START + 1);
    release(true);
    expect([h.near(), await h.shared()]).toEqual([3, 3]);
    h.coherence.hold(keyOf())(false);
    expect([h.near(), await h.shared()]).toEqual([null, null]);
    for (let passed = 0; passed < UNKNOWN_MS; passed += 1500) {
      expect(h.near()).toBeNull();
      await h.time.pass(1500);
      await h.coherence.poll();
    }
    expect(h.near()).toBe(3);
  });

  it('is not used after a message about its account until a poll is complete that began later', async () => {
    h.coherence.put(h.record, START);
    let release!: () => void;
    h.nodeRegistry.before = (step) => (step === 'changes' ? new Promise((resolve) => (release = resolve)) : undefined);
    const running = h.coherence.poll();
    await h.time.settle();
    h.receive([h.record.userKey]);
    expect([h.near(), await h.shared()]).toEqual([null, null]);
    release();
    await running;
    expect(h.near()).toBeNull();
    h.nodeRegistry.before = () => undefined;
    await h.coherence.poll();
    expect([h.near(), await h.shared()]).toEqual([3, 3]);
  });

  it('in hand counts as long as it would be given again, and never again after that', async () => {
    const ways: ((id: string) => Promise<unknown>)[] = [
      async (id) => h.coherence.forget({ changes: [{ sessionId: id, version: 4 }] }),
      async (id) => h.receive([], [{ sessionId: id, version: 4 }]),
      async (id) => (h.nodeRegistry.commit(id, 4), h.coherence.poll()),
      // So long without a poll, and then with a gap.
      async () => (await h.time.pass(UNKNOWN_MS), await h.coherence.poll(), h.coherence.poll()),
    ];
    for (const lose of ways) {
      const one = recordOf({ version: 3 });
      h.coherence.put(one, h.time.clock.now());
      const copy = h.coherence.get(one.id)!;
      const counts = () => h.coherence.counts(copy, h.time.clock.monotonic());
      const release = h.coherence.hold(one.id);
      expect(counts()).toBe(false);
      release(true);
      expect(counts()).toBe(true);
      await lose(one.id);
      expect([counts(), h.coherence.get(one.id)]).toEqual([false, null]);
      h.coherence.put({ ...one, version: 4 }, h.time.clock.now());
      expect([counts(), h.coherence.get(one.id)?.record.version]).toEqual([false, 4]);
    }
  });

  it('that is on its way when caching ends, or a change comes, is not used', async () => {
    let release!: () => void;
    h.backend.beforeReply = () => new Promise((resolve) => (release = resolve));
    h.restore(3, START);
    const reading = h.shared();
    await h.time.settle();
    h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4 }] });
    release();
    expect(await reading).toBeNull();
    h.restore(4, START);
    const later = h.shared();
    await h.time.settle();
    await h.time.pass(3000);
    release();
    expect(await later).toBeNull();
    expect(h.nearCache.size).toBe(0);
  });
});
