import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AgingCopies, NearCache } from 'lib/near-cache.js';
import { HeldKeys, RecentChanges } from 'lib/recent-changes.js';
import type { SessionRecord } from 'lib/model/session.js';
import { copyOf, nearCopyOf, recordOf } from './records.js';
import { START, VirtualTime } from './virtual-time.js';

describe('the near cache', () => {
  it('keeps what is later by version, and by the time of reading', () => {
    const record = recordOf({ version: 5 });
    const cache = new NearCache(10);
    const offer = (version: number, readAt: number) => {
      cache.set(nearCopyOf({ ...record, version }, readAt));
      const { record: kept, readAt: at } = cache.get(record.id)!;
      return [kept.version, at];
    };
    expect(offer(5, 100)).toEqual([5, 100]);
    expect(offer(4, 200)).toEqual([5, 100]);
    expect(offer(5, 99)).toEqual([5, 100]);
    expect(offer(5, 101)).toEqual([5, 101]);
    expect(offer(6, 102)).toEqual([6, 102]);
  });

  it('never goes back to a lower version, in whatever order copies come', () => {
    const offers = fc.array(fc.record({ version: fc.nat(5), readAt: fc.nat(5) }), { minLength: 1 });
    fc.assert(
      fc.property(offers, (all) => {
        const cache = new NearCache(1);
        const record = recordOf();
        let last = -1;
        for (const { version, readAt } of all) {
          cache.set(nearCopyOf({ ...record, version }, readAt));
          const kept = cache.get(record.id)!.record.version;
          expect(kept).toBeGreaterThanOrEqual(last);
          last = kept;
        }
      }),
    );
  });

  it('drops what is older than a change, and nothing else', () => {
    const [one, other] = [recordOf({ version: 3 }), recordOf({ version: 3 })];
    const cache = new NearCache(10);
    for (const record of [one, other]) cache.set(nearCopyOf(record));
    cache.dropOlder(one.id, 3);
    expect(cache.size).toBe(2);
    cache.dropOlder(one.id, 4);
    cache.dropOlder('of nobody', 4);
    expect([cache.get(one.id), cache.get(other.id)?.record]).toEqual([undefined, other]);
    cache.clear();
    expect(cache.size).toBe(0);
  });

  it('throws out what was not used for longest', () => {
    const records = [recordOf(), recordOf(), recordOf()];
    const cache = new NearCache(2);
    cache.set(nearCopyOf(records[0]!));
    cache.set(nearCopyOf(records[1]!));
    cache.get(records[0]!.id);
    cache.set(nearCopyOf(records[2]!));
    expect(records.map(({ id }) => cache.get(id) !== undefined)).toEqual([true, false, true]);
  });

  it('counts a use that it is told of, once a second at most', () => {
    const [one, other, third] = [recordOf(), recordOf(), recordOf()];
    const cache = new NearCache(2);
    for (const record of [one, other]) cache.set(nearCopyOf(record));
    const copy = cache.get(one.id)!;
    cache.use(copy, 5000);
    cache.get(other.id);
    cache.use(copy, 5999);
    cache.set(nearCopyOf(third));
    expect(copy.isDropped).toBe(true);
    const again = cache.get(other.id)!;
    cache.get(third.id);
    cache.use(again, 6000);
    cache.set(nearCopyOf(one));
    expect([again.isDropped, cache.get(third.id)]).toEqual([false, undefined]);
  });

  it.each<[string, (cache: NearCache, record: SessionRecord) => void]>([
    ['dropped', (cache, { id }) => cache.dropOlder(id, 2)],
    ['replaced', (cache, record) => cache.set(nearCopyOf(record, 1))],
    ['thrown out', (cache) => cache.set(nearCopyOf(recordOf()))],
    ['forgotten with all others', (cache) => cache.clear()],
  ])('tells who has a copy in hand that it was %s', (_how, lose) => {
    const record = recordOf();
    const cache = new NearCache(1);
    cache.set(nearCopyOf(record));
    const copy = cache.get(record.id)!;
    cache.dropOlder(record.id, 1);
    cache.set(nearCopyOf({ ...record, version: 0 }));
    expect([copy.isDropped, cache.get(record.id)]).toEqual([false, copy]);
    lose(cache, record);
    expect(copy.isDropped).toBe(true);
    // The same record, kept again, is another copy.
    cache.set(nearCopyOf({ ...record, version: 3 }, 9));
    expect([copy.isDropped, cache.get(record.id)!.isDropped]).toEqual([true, false]);
  });
});

describe('recent changes', () => {
  it('are known for as long as they must be, and forgotten within twice that', () => {
    const recent = new RecentChanges(100, 0);
    recent.add({ sessionId: 'early', version: 7 }, 50);
    recent.add({ sessionId: 'next', version: 1 }, 100);
    recent.add({ sessionId: 'next', version: 1 }, 199);
    expect(recent.versionOf('early')).toBe(7);
    recent.add({ sessionId: 'next', version: 2 }, 250);
    expect([recent.versionOf('early'), recent.versionOf('next')]).toEqual([0, 2]);
  });

  it('are the highest version of all that were known at most so long ago, in any order', () => {
    const changes = fc.array(fc.record({ id: fc.nat(2), version: fc.nat(9), after: fc.nat(60) }), { maxLength: 30 });
    fc.assert(
      fc.property(changes, (all) => {
        const recent = new RecentChanges(100, 0);
        const seen: { id: number; version: number; at: number }[] = [];
        let now = 0;
        for (const { id, version, after } of all) {
          now += after;
          recent.add({ sessionId: `${id}`, version }, now);
          seen.push({ id, version, at: now });
          for (const session of [0, 1, 2]) {
            const due = seen.filter((one) => one.id === session && now - one.at < 100);
            expect(recent.versionOf(`${session}`)).toBeGreaterThanOrEqual(
              Math.max(0, ...due.map((one) => one.version)),
            );
          }
        }
      }),
    );
  });
});

describe('held keys', () => {
  const KEEP = 15_000;
  let held: HeldKeys;
  beforeEach(() => {
    held = new HeldKeys(KEEP);
  });

  it('are held until all work on them is done', () => {
    held.hold('a');
    held.hold('a');
    held.release('a', true, 0);
    expect([held.has('a', 0), held.has('b', 0)]).toEqual([true, false]);
    held.release('a', true, 0);
    expect(held.has('a', 0)).toBe(false);
  });

  it('are bounded while no poll is complete: beyond it every key is held, until one is that began later', () => {
    for (let key = 0; key < 250_000; key++) held.holdUntilPoll(String(key));
    expect(Object.values(held).reduce((sum, part) => sum + (part instanceof Map ? part.size : 0), 0)).toBeLessThan(
      100_001,
    );
    expect([held.has('0', 0), held.has('249999', 0), held.has('never named', 0)]).toEqual([true, true, true]);
    const poll = held.beginPoll();
    held.holdUntilPoll('late');
    held.endPoll(poll);
    expect(held.has('never named', 0)).toBe(true);
    held.endPoll(held.beginPoll());
    expect([held.has('0', 0), held.has('late', 0), held.has('never named', 0)]).toEqual([false, false, false]);
  });

  it('are held for a while after work whose outcome is not known', () => {
    held.hold('a');
    held.release('a', false, 1000);
    expect([held.has('a', 1000), held.has('a', 1000 + KEEP - 1), held.has('a', 1000 + KEEP)]).toEqual([
      true,
      true,
      false,
    ]);
    // Work that is done since then says nothing about what is not known.
    held.hold('a');
    held.release('a', true, 2000);
    expect(held.has('a', 1000 + KEEP - 1)).toBe(true);
  });

  it('are held until a poll is complete that began later', () => {
    const running = held.beginPoll();
    held.holdUntilPoll('a');
    held.endPoll(running);
    expect(held.has('a', 0)).toBe(true);
    const failing = held.beginPoll();
    expect(failing).toBeGreaterThan(running);
    expect(held.has('a', 0)).toBe(true);
    const next = held.beginPoll();
    // Told of again meanwhile, it waits for the poll after this one.
    held.holdUntilPoll('a');
    held.holdUntilPoll('b');
    held.endPoll(next);
    expect([held.has('a', 0), held.has('b', 0)]).toEqual([true, true]);
    held.endPoll(held.beginPoll());
    expect([held.has('a', 0), held.has('b', 0)]).toEqual([false, false]);
  });
});

describe('aging copies', () => {
  const AGE = 300_000;
  let time: VirtualTime;
  beforeEach(() => {
    time = new VirtualTime();
  });
  afterEach(() => time.end());

  it('are gone at their age and worth reading again before, each at a moment of its own', () => {
    const aging = new AgingCopies(AGE, time.clock);
    const now = time.clock.monotonic();
    const times = Array.from({ length: 100 }, () => aging.aged(copyOf(recordOf(), START - 1000)));
    expect(new Set(times.map(({ goneAt }) => goneAt - now))).toEqual(new Set([AGE - 1000]));
    for (const { agesAt } of times) {
      expect(agesAt - now).toBeGreaterThanOrEqual(0.6 * AGE - 1000);
      expect(agesAt - now).toBeLessThanOrEqual(0.8 * AGE - 1000);
    }
    expect(new Set(times.map(({ agesAt }) => agesAt)).size).toBeGreaterThan(90);
    // A clock that is behind the one that the reading was timed by prolongs nothing.
    expect(aging.aged(copyOf(recordOf(), START + 4000)).goneAt - now).toBe(AGE);
  });

  it('are named once', () => {
    const aging = new AgingCopies(AGE, time.clock);
    expect(aging.take()).toEqual([]);
    for (const id of ['a', 'b', 'a']) aging.note(id);
    expect(aging.take()).toEqual(['a', 'b']);
    expect(aging.take()).toEqual([]);
  });

  it('are not collected without a limit', () => {
    const aging = new AgingCopies(AGE, time.clock);
    for (let index = 0; index < 100_002; index++) aging.note(`${index}`);
    expect(aging.take()).toHaveLength(100_000);
  });
});
