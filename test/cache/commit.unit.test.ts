import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Outcome, Changes } from 'lib/commit.js';
import type { LifecycleEvent } from 'lib/session-event.js';
import { tombstoneOf } from 'lib/session-change.js';
import { accountRef, keysOf } from 'lib/user-key.js';
import { CoherenceHarness } from './coherence-harness.js';
import { endedRecord } from './records.js';
import { START } from './virtual-time.js';

describe('a change of sessions', () => {
  let h: CoherenceHarness;
  let changes: Changes;
  let told: LifecycleEvent[];
  beforeEach(async () => {
    h = await CoherenceHarness.start();
    told = [];
    changes = new Changes({
      copies: h.coherence,
      events: { emit: (event) => void told.push(event) },
      clock: h.time.clock,
    });
    h.coherence.put(h.record, START);
    expect(h.near()).toBe(3);
  });
  afterEach(() => h.end());

  const changed = (version = 4) => [{ sessionId: h.record.id, version }];
  const ended = () => {
    const tombstone = tombstoneOf(endedRecord({ ...h.record, version: 4 }))!;
    return [{ sessionId: h.record.id, userId: 'alice', reason: 'SESSION_KICKED', version: 4, tombstone } as const];
  };
  const commit = (outcome: Outcome) =>
    changes.commit({ holding: [h.record.id], transaction: async () => 'result', outcomeOf: () => outcome });
  /** Another node that caches and does not answer, nor poll. */
  const addSilentNode = async () => {
    h.nodeRegistry.put({ id: 'other' });
    await h.coherence.poll();
  };

  it('lets no copy be used from before its transaction until its outcome is applied', async () => {
    let finish!: (result: number) => void;
    const seen: unknown[] = [];
    const committed = changes.commit({
      holding: [h.record.userKey],
      transaction: () => new Promise<number>((resolve) => (finish = resolve)),
      outcomeOf: (version) => ({ changed: changed(version), reach: 'applied' }),
    });
    seen.push(h.near(), await h.shared());
    h.coherence.put(h.record, START);
    finish(4);
    expect(await committed).toBe(4);
    expect([...seen, h.near()]).toEqual([null, null, null]);
    h.coherence.put({ ...h.record, version: 4 }, START);
    expect(h.near()).toBe(4);
  });

  it.each([
    ['transaction', { transaction: () => Promise.reject(new Error('lost')) }],
    ['outcome', { outcomeOf: (): Outcome => { throw new Error('lost'); } }], // prettier-ignore
  ])('keeps its keys held where the %s is not known', async (_what, part) => {
    const change = {
      holding: [h.record.id],
      transaction: async () => 1,
      outcomeOf: () => ({ reach: 'applied' }) as const,
    };
    await expect(changes.commit({ ...change, ...part })).rejects.toThrow('lost');
    for (let passed = 0; passed < 15_000; passed += 1500) {
      expect(h.near()).toBeNull();
      await h.time.pass(1500);
      await h.coherence.poll();
    }
    expect(h.near()).toBe(3);
    expect(told).toEqual([]);
  });

  it('is told to listeners in order, each end once, with its tombstone, before it waits for any node', async () => {
    await addSilentNode();
    const first = { type: 'session.reauthenticated', sessionId: h.record.id, userId: 'alice' } as const;
    const pending = commit({ events: [first], ended: ended(), reach: 'acknowledged' });
    expect(await h.time.outcome(pending)).toBe('waiting');
    const about = { sessionId: h.record.id, userId: 'alice', reason: 'SESSION_KICKED' };
    expect(told).toEqual([first, { type: 'session.ended', ...about }]);
    expect([h.near(), await h.shared()]).toEqual([null, 'tombstone']);
    h.nodeRegistry.put({ id: 'other', caching: false });
    await h.time.pass(100);
    expect(await pending).toBe('result');
    expect(told).toHaveLength(2);
  });

  it.each<[Outcome['reach'], object | string]>([
    ['applied', 'result'],
    ['announced', 'result'],
    ['acknowledged', { code: 'CHANGE_PENDING' }],
    ['required', { code: 'SESSION_STORE_UNAVAILABLE', retryAfterMs: expect.any(Number) }],
    ['attempted', 'result'],
  ])('that is to be %s comes to this while another node does not answer', async (reach, expected) => {
    await addSilentNode();
    const result = commit({ changed: changed(), reach }).catch((error: unknown) => error);
    await h.time.settle();
    await h.time.pass(4100);
    const found = await h.time.outcome(result);
    if (typeof expected === 'string') expect(found).toBe(expected);
    else expect(await result).toMatchObject(expected);
    expect(h.observed).toEqual(['applied', 'announced'].includes(reach) ? [] : [false]);
    expect(h.near()).toBeNull();
  });

  it('that found nothing to do waits as long as another node may go by what was before, if it names a key', async () => {
    await addSilentNode();
    expect(await commit({ reach: 'acknowledged' })).toBe('result');
    const repeated = commit({ keys: [h.record.id], reach: 'acknowledged' });
    expect(await h.time.outcome(repeated)).toBe('waiting');
    expect(h.near()).toBeNull();
    await h.time.pass(4100);
    await expect(repeated).rejects.toMatchObject({ code: 'CHANGE_PENDING' });
  });

  it('by an account holds the sessions that it opened as others as well', async () => {
    const opened = { ...h.record, impersonator: 'root', realm: 'users' };
    h.coherence.put(opened, START);
    const keys = keysOf(accountRef('users', 'root'));
    await changes.settle({ keys, reach: 'acknowledged' });
    expect(h.near()).toBeNull();
    await h.coherence.poll();
    expect(h.near()).toBe(3);
  });

  it('gives out new tokens at once only where their grace is longer than any silence', () => {
    const { silenceMs } = h.coherence;
    expect(changes.reachOfRotation(silenceMs, 'required')).toBe('required');
    expect(changes.reachOfRotation(silenceMs + 1, 'required')).toBe('announced');
  });
});
