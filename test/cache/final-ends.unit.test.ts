import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeMessage } from 'lib/change-bus.js';
import { FinalEnds, describeLoss } from 'lib/final-ends.js';
import type { CommitsLost } from 'lib/known-changes.js';
import { RecentChanges } from 'lib/recent-changes.js';
import { CoherenceHarness } from './coherence-harness.js';
import { PresenceHarness, type PresentNode } from './presence-harness.js';
import { copyOf, endedRecord } from './records.js';
import { START } from './virtual-time.js';

const END = { reason: 'SESSION_KICKED', at: START, by: 'root' } as const;

describe('an end', () => {
  let h: CoherenceHarness;
  beforeEach(async () => {
    h = await CoherenceHarness.start();
  });
  afterEach(() => h.end());

  const ways: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['a message', async () => h.receive([], [{ sessionId: h.record.id, version: 4, end: END }])],
    [
      'a change of this node',
      async () => h.coherence.forget({ changes: [{ sessionId: h.record.id, version: 4, end: END }] }),
    ],
    ['the change log', async () => (h.nodeRegistry.commit(h.record.id, 4, END), h.coherence.poll())],
  ];

  it.each(ways)('that this node knows of by %s is stronger than any version', async (_what, hear) => {
    h.coherence.put(h.record, START);
    await hear();
    for (const version of [4, 5, 1000]) {
      h.restore(version, START);
      expect([h.near(), await h.shared()]).toEqual([null, null]);
      h.coherence.put({ ...h.record, version }, START);
      expect(h.near()).toBeNull();
    }
    expect(h.coherence.ends.of(h.record.id)).toEqual(END);
  });

  it('of all sessions of an account is stronger than any version of that', async () => {
    h.receive([], [], [{ kind: 'account', id: h.record.userKey, version: 1, end: { ...END, replacedBy: null } }]);
    for (const accountVersion of [1, 2, 1000]) {
      h.backend.held.set(h.record.id, copyOf({ ...h.record, accountVersion }, START));
      expect([h.near(), await h.shared()]).toEqual([null, 'tombstone']);
      h.coherence.put({ ...h.record, accountVersion }, START);
      expect(h.near()).toBeNull();
    }
    h.coherence.put({ ...h.record, accountVersion: 1, accountEpoch: 1 }, START);
    expect(h.near()).toBe(h.record.version);
  });

  it('is known for as long as any copy from before it counts', async () => {
    h.receive([], [{ sessionId: h.record.id, version: 4, end: END }]);
    for (let passed = 0; passed < 330_000; passed += 1500) {
      expect(h.coherence.ends.of(h.record.id)).toEqual(END);
      await h.passPolling(1500);
    }
  });

  it('that the database has lost is written again before a poll is complete, and told to the others', async () => {
    h.receive([], [{ sessionId: h.record.id, version: 4, end: END }]);
    h.lostEnds.add(h.record.id);
    await h.passPolling(3000);
    expect(h.losses).toEqual([]);
    h.coherence.presence.connectionLost();
    h.backend.sent.length = 0;
    await h.coherence.poll();
    await h.time.settle();
    const none = { rewrittenMassEnds: 0, missing: 0, lostChanges: 0 };
    expect(h.losses).toEqual([{ ...none, rewritten: 1, isComplete: true }]);
    expect(h.coherence.ends.rewritten).toBe(1);
    const change = { sessionId: h.record.id, version: 2, end: END };
    expect(h.backend.sent).toEqual([
      writeMessage({ from: 'me', number: null, changes: [change], scopes: [], keys: [] }),
    ]);
    await h.passPolling(3000);
    expect(h.losses).toHaveLength(1);
  });

  it('of an account or the realm is restored with it, and known as it is then', async () => {
    const scope = { kind: 'account', id: h.record.userKey, version: 3, end: { ...END, replacedBy: null } } as const;
    h.coherence.forget({ scopes: [scope] });
    h.restored = { scopes: [{ ...scope, version: 9 }] };
    h.coherence.presence.connectionLost();
    await h.coherence.poll();
    expect(h.checked.at(-1)).toBe(1);
    expect(h.losses).toMatchObject([{ rewritten: 0, rewrittenMassEnds: 1 }]);
    expect(h.coherence.endOf({ ...h.record, accountEpoch: 8 })).toEqual({ ...END, replacedBy: null });
    expect(h.coherence.endOf({ ...h.record, accountEpoch: 9 })).toBeNull();
  });

  it.each<readonly [string, (isLoss: boolean) => void]>([
    ['another server answers', () => void (h.nodeRegistry.server = 'second')],
    [
      'it has lost something',
      (isLoss) => {
        h.restored = { lostChanges: Number(isLoss) };
        h.coherence.presence.connectionLost();
      },
    ],
  ])('or not: no copy from before counts once %s, whose numbers may be used twice', async (_what, happen) => {
    h.coherence.put(h.record, START);
    happen(true);
    await h.coherence.poll();
    expect(h.near()).toBeNull();
    h.restore(3, h.time.clock.now());
    expect(await h.shared()).toBeNull();
    h.restored = {};
    await h.passPolling(6000);
    h.restore(3, h.time.clock.now());
    expect(await h.shared()).toBe(3);
    happen(false);
    await h.coherence.poll();
  });

  it('or not: copies go on to count where nothing was lost', async () => {
    h.coherence.put(h.record, START);
    h.coherence.presence.connectionLost();
    await h.coherence.poll();
    expect([h.near(), h.losses]).toEqual([3, []]);
  });

  it('is told with its reason, its time and who did it', async () => {
    const ended = endedRecord({ ...h.record, version: 4 });
    h.coherence.announce({ changes: [{ sessionId: ended.id, version: 4, end: ended.end }] });
    await h.time.settle();
    expect(h.backend.sent.join()).toContain(
      JSON.stringify([ended.end!.reason, ended.end!.at, ended.end!.by]).slice(1, -1),
    );
  });
});

describe('a database that may have lost commits', () => {
  let harness: PresenceHarness;
  let node: PresentNode;
  beforeEach(async () => {
    harness = new PresenceHarness();
    node = await harness.joined();
    await harness.pass(2000, node);
    expect(node.doubts).toBe(0);
  });
  afterEach(() => harness.end());

  it.each<readonly [string, () => unknown]>([
    ['a connection was lost', () => node.presence.connectionLost()],
    ['another server answers', () => (harness.nodeRegistry.server = 'second')],
    ['its row is gone', () => harness.nodeRegistry.leave(node.id)],
    ['its row went back', () => harness.nodeRegistry.put({ id: node.id, poll: 1, polled: 0 })],
    [
      'a poll has failed',
      async () => {
        harness.nodeRegistry.before = () => Promise.reject(new Error('gone'));
        await node.presence.poll().catch(() => undefined);
        harness.nodeRegistry.before = () => undefined;
      },
    ],
  ])('is asked for all known ends, once, when %s', async (_what, happen) => {
    await happen();
    expect(node.doubts).toBe(0);
    await harness.poll(node);
    expect(node.doubts).toBe(1);
    await harness.pass(2000, node);
    expect(node.doubts).toBe(1);
    expect(node.presence.mayCache).toBe(true);
  });

  it('is polled in vain until that is done', async () => {
    node.checking = () => Promise.reject(new Error('not now'));
    node.presence.connectionLost();
    const { polled } = harness.nodeRegistry.row(node.id)!;
    for (let time = 1; time <= 3; time++) {
      await harness.time.pass(500);
      await expect(node.presence.poll()).rejects.toThrow('not now');
      expect(node.doubts).toBe(time);
    }
    expect(harness.nodeRegistry.row(node.id)!.polled).toBe(polled + 1);
    // As with any polls that fail.
    expect(node.presence.mayCache).toBe(true);
    await harness.time.pass(10_000);
    expect(node.presence.mayCache).toBe(false);
    node.checking = async () => undefined;
    await harness.poll(node);
    expect(node.presence.mayCache).toBe(true);
  });

  it('is not forgotten where it was lost again while the ends were checked', async () => {
    node.presence.connectionLost();
    node.checking = async () => node.presence.connectionLost();
    await node.presence.poll();
    node.checking = async () => undefined;
    await harness.poll(node);
    expect(node.doubts).toBe(2);
  });
});

it('a loss is told in numbers', () => {
  const loss = { rewritten: 11, rewrittenMassEnds: 12, missing: 13, lostChanges: 14 };
  const text = describeLoss({ ...loss, isComplete: true });
  for (const count of Object.values(loss)) expect(text).toContain(String(count));
  expect(describeLoss({ ...loss, isComplete: false })).toContain('there may be others');
});

describe('what is remembered of changes', () => {
  it('is bounded: of more ends, a report says that it is not complete, for as long as they would have been known', async () => {
    const clock = { passed: 0, monotonic: () => clock.passed };
    const losses: CommitsLost[] = [];
    const asked: number[] = [];
    const ends = new FinalEnds({
      clock,
      keepMs: 1000,
      most: 20,
      check: {
        restore: async ({ ends: known }) => {
          asked.push(known.length);
          return { changes: [{ sessionId: 'one', version: 2 }], missing: 0, scopes: [], lostChanges: 0 };
        },
        report: (loss) => losses.push(loss),
      },
    });
    for (let end = 0; end < 20; end++) ends.add(`a${end}`, END);
    await ends.restore([]);
    for (let end = 0; end < 500; end++) ends.add(`b${end}`, END);
    await ends.restore([]);
    clock.passed += 1000;
    await ends.restore([]);
    expect(losses.map(({ isComplete }) => isComplete)).toEqual([true, false, true]);
    expect(Math.max(...asked)).toBe(20);
  });

  it('is bounded: of more changes, copies from before count no more', async () => {
    const changes = new RecentChanges(1000, 0, 10);
    for (let change = 0; change < 20; change++) changes.add({ sessionId: `a${change}`, version: 2 }, 5);
    expect([changes.forgottenAt, changes.versionOf('a0')]).toEqual([-Infinity, 2]);
    changes.add({ sessionId: 'b', version: 2 }, 7);
    expect([changes.forgottenAt, changes.versionOf('a0')]).toEqual([7, 0]);
    const h = await CoherenceHarness.start({ mostChanges: 10 });
    h.coherence.put(h.record, START);
    for (let change = 0; change < 21; change++) h.receive([], [{ sessionId: `a${change}`, version: 2 }]);
    expect(h.near()).toBeNull();
    h.restore(3, h.time.clock.now());
    expect(await h.shared()).toBeNull();
    await h.passPolling(6000);
    h.restore(3, h.time.clock.now());
    expect(await h.shared()).toBe(3);
    await h.end();
  });
});
