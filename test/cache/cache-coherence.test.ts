import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheCoherence } from '../../lib/cache/cache-coherence.js';
import { writeMessage } from '../../lib/cache/change-message.js';
import { NearCache } from '../../lib/cache/near-cache.js';
import type { SessionRecord } from '../../lib/core/session.js';
import { tombstoneOf } from '../../lib/core/tombstone.js';
import { MemoryBackend } from './memory-backend.js';
import { MemoryMembership } from './memory-membership.js';
import { copyOf, endedRecord, recordOf } from './records.js';
import { START, VirtualTime } from './virtual-time.js';

const COPY_AGE = 300_000;
const UNKNOWN_MS = 15_000;

describe('a copy of a session', () => {
  let time: VirtualTime;
  let membership: MemoryMembership;
  let backend: MemoryBackend;
  let nearCache: NearCache;
  let coherence: CacheCoherence;
  let record: SessionRecord;
  let observed: boolean[];

  /** What is remembered here, and what the nodes remember in common, as far as either may be used. */
  const near = (of = record) => coherence.get(of.id)?.record.version ?? null;
  const shared = async (of = record) => {
    const found = await coherence.fetch(of.id);
    return found && ('tokens' in found ? 'tombstone' : found.version);
  };
  /** Puts a copy into the shared cache, as an older snapshot of it may. */
  const restore = (version: number, readAt: number, fields: Partial<SessionRecord> = {}) =>
    backend.held.set(record.id, copyOf({ ...record, ...fields, version }, readAt));
  const receive = (keys: readonly string[], changes: readonly { sessionId: string; version: number }[] = []) =>
    backend.handlers!.onMessage(writeMessage({ from: 'other', number: 1, changes, keys }));
  const settings = (nodeId: string) => ({
    nodeId,
    nearCache,
    shared: backend,
    pollFreshnessMs: 2000,
    silenceMs: 10_000,
    copyAgeMs: COPY_AGE,
    confirmMs: 4000,
  });

  beforeEach(async () => {
    time = new VirtualTime();
    membership = new MemoryMembership(() => time.clock.now());
    backend = new MemoryBackend();
    nearCache = new NearCache(10);
    record = recordOf({ version: 3 });
    coherence = new CacheCoherence(membership, time.clock, settings('me'));
    observed = [];
    coherence.observer = (_millis, isConfirmed) => observed.push(isConfirmed);
    coherence.start();
    await coherence.poll();
    expect(coherence.caching).toBe(true);
  });
  afterEach(async () => {
    await coherence.stop();
    time.end();
  });

  it('that was read is kept here and where all see it', async () => {
    coherence.put(record, START);
    expect([near(), await shared(), nearCache.size]).toEqual([3, 3, 1]);
  });

  it('that others have read is kept here as well', async () => {
    restore(3, START - 1000);
    expect([near(), await shared(), near()]).toEqual([null, 3, 3]);
  });

  it('is used no more from a change on, and kept nowhere if it comes late', async () => {
    coherence.put(record, START);
    coherence.forget([{ sessionId: record.id, version: 4 }]);
    expect(near()).toBeNull();
    expect(await shared()).toBeNull();
    coherence.put(record, START);
    expect([near(), nearCache.size]).toEqual([null, 0]);
    coherence.put({ ...record, version: 4 }, START);
    expect([near(), await shared()]).toEqual([4, 4]);
    restore(3, START);
    nearCache.clear();
    expect(await shared()).toBeNull();
  });

  it.each([
    ['a message', async () => receive([], [{ sessionId: record.id, version: 4 }])],
    ['a change of this node', async () => coherence.announce({ changes: [{ sessionId: record.id, version: 4 }] })],
    [
      'the change log',
      async () => {
        membership.commit(record.id, 4);
        return coherence.poll();
      },
    ],
  ])('is used no more once this node knows of a change by %s', async (_what, hear) => {
    coherence.put(record, START);
    restore(3, START);
    await hear();
    expect([near(), await shared()]).toEqual([null, null]);
  });

  it('is used for so long after it was read, and not a moment more, though nothing is known against it', async () => {
    restore(3, START - COPY_AGE + 1);
    expect(await shared()).toBe(3);
    restore(3, START - COPY_AGE);
    expect(await shared()).toBeNull();
    await time.pass(1000);
    await coherence.poll();
    expect(near()).toBeNull();
  });

  it('is too old before the change that it misses is forgotten', async () => {
    coherence.forget([{ sessionId: record.id, version: 4 }]);
    const step = 1500;
    for (let passed = 0; passed <= 3 * COPY_AGE; passed += step) {
      // The youngest copy that can have been read before the change.
      restore(3, START);
      expect(await shared()).toBeNull();
      await time.pass(step);
      await coherence.poll();
      coherence.forget([{ sessionId: `another ${passed}`, version: 1 }]);
    }
  });

  it('of the future is not believed: its clock is wrong', async () => {
    restore(3, START + 5000);
    expect(await shared()).toBe(3);
    restore(3, START + 5001);
    expect(await shared()).toBeNull();
  });

  it.each([
    ['the session', () => record.id],
    ['its account', () => record.userKey],
  ])('is not used while %s is being changed, nor kept', async (_what, keyOf) => {
    coherence.put(record, START);
    const release = coherence.hold(keyOf());
    expect([near(), await shared()]).toEqual([null, null]);
    const late = { ...record, version: 5 };
    coherence.put(late, START + 1);
    release(true);
    expect([near(), await shared()]).toEqual([3, 3]);
    coherence.hold(keyOf())(false);
    expect([near(), await shared()]).toEqual([null, null]);
    for (let passed = 0; passed < UNKNOWN_MS; passed += 1500) {
      expect(near()).toBeNull();
      await time.pass(1500);
      await coherence.poll();
    }
    expect(near()).toBe(3);
  });

  it('is not used after a message about its account until a poll is complete that began later', async () => {
    coherence.put(record, START);
    let release!: () => void;
    membership.before = (step) => (step === 'changes' ? new Promise((resolve) => (release = resolve)) : undefined);
    const running = coherence.poll();
    await time.settle();
    receive([record.userKey]);
    expect([near(), await shared()]).toEqual([null, null]);
    release();
    await running;
    expect(near()).toBeNull();
    membership.before = () => undefined;
    await coherence.poll();
    expect([near(), await shared()]).toEqual([3, 3]);
  });

  it('that is on its way when caching ends, or a change comes, is not used', async () => {
    let release!: () => void;
    backend.beforeReply = () => new Promise((resolve) => (release = resolve));
    restore(3, START);
    const reading = shared();
    await time.settle();
    coherence.forget([{ sessionId: record.id, version: 4 }]);
    release();
    expect(await reading).toBeNull();
    restore(4, START);
    const later = shared();
    await time.settle();
    await time.pass(3000);
    release();
    expect(await later).toBeNull();
    expect(nearCache.size).toBe(0);
  });

  it('is not asked for where there is nobody to ask, and a failure is none of the caller', async () => {
    restore(3, START);
    backend.state = 'down';
    expect(await shared()).toBeNull();
    backend.state = 'probing';
    expect(await shared()).toBe(3);
    backend.beforeReply = () => Promise.reject(new Error('no answer'));
    expect(await shared()).toBeNull();
  });

  it('makes way for a tombstone, which says that the session is over whatever else is known', async () => {
    const ended = endedRecord({ ...record, version: 4 });
    coherence.put(ended, START);
    expect([near(), await shared()]).toEqual([null, 'tombstone']);
    const other = recordOf();
    const tombstone = tombstoneOf(endedRecord(other))!;
    const end = { sessionId: other.id, userId: 'alice', reason: 'SESSION_KICKED', version: 2, tombstone } as const;
    coherence.forget([], [end]);
    expect(await shared(other)).toBe('tombstone');
  });

  it('is not kept, nor used, while this node may not cache', async () => {
    coherence.put(record, START);
    await time.pass(2000);
    expect([coherence.caching, near(), await shared()]).toEqual([false, null, null]);
    coherence.put(recordOf(), START);
    expect(backend.held.size).toBe(1);
  });

  it('in use is named for reading again before it is gone', async () => {
    coherence.put(record, START);
    expect(coherence.isAging(record.id)).toBe(false);
    for (let passed = 0; passed < 0.8 * COPY_AGE; passed += 1500) {
      await time.pass(1500);
      await coherence.poll();
    }
    expect([coherence.isAging(record.id), near(), coherence.takeAging(), coherence.takeAging()]).toEqual([
      true,
      3,
      [record.id],
      [],
    ]);
    expect(coherence.isAging('of nobody')).toBe(true);
  });

  it('of another node is waited for, and the wait is told of', async () => {
    membership.put({ id: 'other' });
    await coherence.poll();
    const notice = { changes: [{ sessionId: record.id, version: 4 }], keys: [record.userKey] };
    const pending = coherence.confirm(notice);
    expect(await time.outcome(pending)).toBe('waiting');
    expect([near(), observed]).toEqual([null, []]);
    membership.put({ id: 'other', caching: false });
    await time.pass(100);
    await pending;
    membership.put({ id: 'other', caching: true, renewedAt: START + 10_000 });
    const hopeless = coherence.confirm(notice);
    await time.settle();
    await time.pass(4100);
    expect(await time.outcome(hopeless)).toMatchObject({ code: 'END_PENDING' });
    expect(observed).toEqual([true, false]);
  });
});
