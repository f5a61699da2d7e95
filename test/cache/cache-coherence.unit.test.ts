import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tombstoneOf } from 'lib/session-change.js';
import { COPY_AGE, CoherenceHarness } from './coherence-harness.js';
import { copyOf, endedRecord, recordOf } from './records.js';
import { START } from './virtual-time.js';

/** How long a change may still take effect whose outcome is not known. */
const UNKNOWN_MS = 15_000;

describe('a copy of a session', () => {
  let h: CoherenceHarness;
  beforeEach(async () => {
    h = await CoherenceHarness.start();
    expect(h.coherence.caching).toBe(true);
  });
  afterEach(() => h.end());

  it('that was read is kept here and where all see it', async () => {
    h.coherence.put(h.record, START);
    expect([h.near(), await h.shared(), h.nearCache.size]).toEqual([3, 3, 1]);
  });

  it('that others have read is kept here as well', async () => {
    h.restore(3, START - 1000);
    expect([h.near(), await h.shared(), h.near()]).toEqual([null, 3, 3]);
  });

  it('is used no more once its account has changed, until it is read again', async () => {
    h.coherence.put(h.record, START);
    const { userKey } = h.record;
    h.coherence.forget({ scopes: [{ kind: 'account', id: userKey, version: 1, end: null }] });
    expect([h.near(), await h.shared()]).toEqual([null, null]);
    h.coherence.put(h.record, START);
    expect(h.near()).toBeNull();
    h.coherence.put({ ...h.record, accountVersion: 1 }, START);
    expect([h.near(), await h.shared()]).toEqual([3, 3]);
    h.coherence.forget({ scopes: [{ kind: 'account', id: 'of somebody else', version: 9, end: null }] });
    expect(h.near()).toBe(3);
  });

  describe.each([
    ['its account', 'account'],
    ['the realm', 'realm'],
  ] as const)('of a session that ended with all others of %s', (_whose, kind) => {
    const end = { reason: 'SESSION_KICKED', at: START, by: 'root', replacedBy: null } as const;
    const massEnd = (version = 1, at = START) => {
      const id = kind === 'realm' ? h.record.realm : h.record.userKey;
      return { kind, id, version, end: { ...end, at } };
    };

    it('answers its holder from memory', async () => {
      h.coherence.put(h.record, START);
      h.coherence.forget({ scopes: [massEnd()] });
      expect(h.near()).toBeNull();
      expect(await h.coherence.fetch(h.record.id)).toEqual(tombstoneOf({ ...h.record, end }));
      // The shared cache has a copy as well, and this node none.
      h.nearCache.clear();
      expect(await h.coherence.fetch(h.record.id)).toEqual(tombstoneOf({ ...h.record, end }));
    });

    it('goes by the first of two ends, and not by an older one', async () => {
      h.coherence.forget({ scopes: [massEnd(5, START + 5000), massEnd(4, START + 4000), massEnd(1)] });
      const read = { ...h.record, accountEpoch: 1, realmEpoch: 1, accountVersion: 1 };
      h.coherence.put(read, START);
      h.restore(h.record.version, START);
      const found = await h.coherence.fetch(h.record.id);
      expect(found).toMatchObject({ end: { at: START } });
      h.backend.held.set(h.record.id, copyOf(read, START));
      expect(await h.coherence.fetch(h.record.id)).toMatchObject({ end: { at: START + 4000 } });
    });

    it('says nothing where the session had changed before', async () => {
      h.coherence.put(h.record, START);
      h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4 }], scopes: [massEnd()] });
      h.restore(3, START);
      expect(await h.coherence.fetch(h.record.id)).toBeNull();
    });

    it('says nothing by a copy that is older than changes are remembered', async () => {
      h.coherence.forget({ scopes: [massEnd()] });
      h.restore(3, START - COPY_AGE);
      expect(await h.coherence.fetch(h.record.id)).toBeNull();
      h.restore(3, START - COPY_AGE + 1000);
      expect(await h.shared()).toBe('tombstone');
    });

    it('says nothing by a copy from before changes were forgotten, or may have been lost', async () => {
      const few = await CoherenceHarness.start({ mostChanges: 10 });
      try {
        const scope = { ...massEnd(), id: kind === 'realm' ? few.record.realm : few.record.userKey };
        for (let change = 0; change < 21; change++) few.receive([], [{ sessionId: `a${change}`, version: 2 }], [scope]);
        few.restore(3, START);
        expect(await few.shared()).toBeNull();
        await few.passPolling(6000);
        few.restore(3, few.time.clock.now());
        expect(await few.shared()).toBe('tombstone');
        few.nodeRegistry.server = 'second';
        await few.coherence.poll();
        expect(await few.shared()).toBeNull();
      } finally {
        await few.end();
      }
    });

    it('is known from a message, and from the change log', async () => {
      h.coherence.put(h.record, START);
      h.receive([], [], [massEnd()]);
      expect(await h.shared()).toBe('tombstone');
      const other = await CoherenceHarness.start();
      try {
        other.coherence.put(other.record, START);
        other.nodeRegistry.scopes.push({
          ...massEnd(),
          id: kind === 'realm' ? other.record.realm : other.record.userKey,
        });
        expect(other.near()).toBe(3);
        await other.coherence.poll();
        expect([other.near(), await other.shared()]).toEqual([null, 'tombstone']);
      } finally {
        await other.end();
      }
    });

    it('is forgotten with the changes of its time', async () => {
      h.coherence.forget({ scopes: [massEnd()] });
      await h.passPolling(3 * COPY_AGE);
      h.coherence.forget({ scopes: [{ kind: 'account', id: 'of somebody else', version: 1, end: null }] });
      await h.passPolling(3 * COPY_AGE);
      h.coherence.forget({ scopes: [{ kind: 'account', id: 'of somebody else', version: 2, end: null }] });
      expect(h.coherence.endOf(h.record)).toBeNull();
    });
  });

  it('is used no more from a change on, and kept nowhere if it comes late', async () => {
    h.coherence.put(h.record, START);
    h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4 }] });
    expect(h.near()).toBeNull();
    expect(await h.shared()).toBeNull();
    h.coherence.put(h.record, START);
    expect([h.near(), h.nearCache.size]).toEqual([null, 0]);
    h.coherence.put({ ...h.record, version: 4 }, START);
    expect([h.near(), await h.shared()]).toEqual([4, 4]);
    h.restore(3, START);
    h.nearCache.clear();
    expect(await h.shared()).toBeNull();
  });

  it.each([
    ['a message', async () => h.receive([], [{ sessionId: h.record.id, version: 4 }])],
    ['a change of this node', async () => h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4 }] })],
    [
      'the change log',
      async () => {
        h.nodeRegistry.commit(h.record.id, 4);
        return h.coherence.poll();
      },
    ],
  ])('is used no more once this node knows of a change by %s', async (_what, hear) => {
    h.coherence.put(h.record, START);
    h.restore(3, START);
    await hear();
    expect([h.near(), await h.shared()]).toEqual([null, null]);
  });

  it('is used for so long after it was read, and not a moment more, though nothing is known against it', async () => {
    h.restore(3, START - COPY_AGE + 1);
    expect(await h.shared()).toBe(3);
    h.restore(3, START - COPY_AGE);
    expect(await h.shared()).toBeNull();
    await h.time.pass(1000);
    await h.coherence.poll();
    expect(h.near()).toBeNull();
  });

  it('is too old before the change that it misses is forgotten', async () => {
    h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4 }] });
    const step = 1500;
    for (let passed = 0; passed <= 3 * COPY_AGE; passed += step) {
      // The youngest copy that can have been read before the change.
      h.restore(3, START);
      expect(await h.shared()).toBeNull();
      await h.time.pass(step);
      await h.coherence.poll();
      h.coherence.forget({ changes: [{ sessionId: `another ${passed}`, version: 1 }] });
    }
  });

  it('of the future is not believed: its clock is wrong', async () => {
    h.restore(3, START + 5000);
    expect(await h.shared()).toBe(3);
    h.restore(3, START + 5001);
    expect(await h.shared()).toBeNull();
  });

  it('is not asked for where there is nobody to ask, and a failure is none of the caller', async () => {
    h.restore(3, START);
    h.backend.state = 'down';
    expect(await h.shared()).toBeNull();
    h.backend.state = 'probing';
    expect(await h.shared()).toBe(3);
    h.backend.beforeReply = () => Promise.reject(new Error('no answer'));
    expect(await h.shared()).toBeNull();
  });

  it('makes way for a tombstone, which says that the session is over whatever else is known', async () => {
    const ended = endedRecord({ ...h.record, version: 4 });
    h.coherence.put(ended, START);
    expect([h.near(), await h.shared()]).toEqual([null, 'tombstone']);
    const other = recordOf();
    const tombstone = tombstoneOf(endedRecord(other))!;
    const end = { sessionId: other.id, userId: 'alice', reason: 'SESSION_KICKED', version: 2, tombstone } as const;
    h.coherence.forget({}, [end]);
    expect(await h.shared(other)).toBe('tombstone');
  });

  it('is not kept, nor used, while this node may not cache', async () => {
    h.coherence.put(h.record, START);
    await h.time.pass(2000);
    expect([h.coherence.caching, h.near(), await h.shared()]).toEqual([false, null, null]);
    h.coherence.put(recordOf(), START);
    expect(h.backend.held.size).toBe(1);
  });

  it('in use is named for reading again before it is gone', async () => {
    h.coherence.put(h.record, START);
    expect(h.coherence.isAging(h.record.id)).toBe(false);
    await h.passPolling(0.8 * COPY_AGE);
    expect([h.coherence.isAging(h.record.id), h.near(), h.coherence.takeAging(), h.coherence.takeAging()]).toEqual([
      true,
      3,
      [h.record.id],
      [],
    ]);
    expect(h.coherence.isAging('of nobody')).toBe(true);
  });

  it('of another node is waited for, and the wait is told of', async () => {
    h.nodeRegistry.put({ id: 'other' });
    await h.coherence.poll();
    const notice = { changes: [{ sessionId: h.record.id, version: 4 }], keys: [h.record.userKey] };
    h.coherence.forget(notice);
    const pending = h.coherence.acknowledged(notice);
    expect(await h.time.outcome(pending)).toBe('waiting');
    expect([h.near(), h.observed]).toEqual([null, []]);
    h.nodeRegistry.put({ id: 'other', caching: false });
    await h.time.pass(100);
    await pending;
    h.nodeRegistry.put({ id: 'other', caching: true, poll: 2 });
    const hopeless = h.coherence.acknowledged(notice);
    await h.time.settle();
    await h.time.pass(4100);
    expect(await h.time.outcome(hopeless)).toMatchObject({ code: 'CHANGE_PENDING' });
    expect(h.observed).toEqual([true, false]);
  });

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
      // Its row was removed, as after a long silence.
      async () => (await h.nodeRegistry.leave('me'), await h.coherence.poll(), h.coherence.poll()),
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
