import { describe, expect, it } from '@jest/globals';
import { ManualClock } from 'nestjs-latchkey/testing';
import { EventBatch, FailedLogins } from 'lib/journal/failed-logins.js';
import type { LifecycleEvent } from 'lib/session-event.js';
import type { DetachedEvent, Sighting, StatisticAmount } from 'lib/journal-repository.js';
import { SightingRecorder } from 'lib/sighting-recorder.js';
import { StatisticRecorder } from 'lib/statistic-recorder.js';

const START = Date.UTC(2026, 0, 15, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Takes records and keeps them; refuses them where `fails` says so; waits where `gate` is set. */
class Recorded {
  sightings: Sighting[] = [];
  events: DetachedEvent[] = [];
  statistics: StatisticAmount[] = [];
  chunks: number[] = [];
  fails = () => false;
  gate: Promise<void> | null = null;
  live = 0;

  addSightings = (some: readonly Sighting[]) => this.take(this.sightings, some);
  addEvents = (some: readonly DetachedEvent[]) => this.take(this.events, some);
  addStatistics = (some: readonly StatisticAmount[]) => this.take(this.statistics, some);
  countLive = async () => {
    if (this.fails()) throw new Error('The database is gone.');
    return this.live;
  };

  private async take<T>(all: T[], some: readonly T[]): Promise<void> {
    await this.gate;
    this.chunks.push(some.length);
    if (this.fails()) throw new Error('The database is gone.');
    all.push(...some);
  }
}

/** Not in the order of their numbers. */
const idOf = (index: number) => ((index * 7919) % 2 ** 20).toString(16).padStart(32, '0');
const ipOf = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

describe('the sighting recorder', () => {
  const recorder = () => {
    const recorded = new Recorded();
    const written = new Map<string, number>();
    return { recorded, written, sightings: new SightingRecorder(recorded, written, 5 * MINUTE) };
  };

  it('G10: holds 100,000 pairs at most, counts the others, and goes on afterwards', async () => {
    const { recorded, sightings } = recorder();
    for (let index = 0; index < 150_000; index++) sightings.note(idOf(index), START, ipOf(index));
    // Known pairs are noted all the same.
    sightings.note(idOf(7), START + 1, ipOf(7));
    expect(sightings.dropped).toBe(50_000);
    await sightings.flush();
    expect([recorded.sightings.length, Math.max(...recorded.chunks)]).toEqual([100_000, 500]);
    expect(recorded.sightings.find(({ sessionId }) => sessionId === idOf(7))!.lastAt).toBe(START + 1);
    // Each statement locks rows in the order of their keys.
    for (let from = 0; from < 100_000; from += 500) {
      const keys = recorded.sightings.slice(from, from + 500).map(({ sessionId, ipKey }) => sessionId + ipKey);
      expect(keys).toEqual([...keys].sort());
    }
    sightings.note(idOf(149_999), START, ipOf(149_999));
    await sightings.flush();
    expect([recorded.sightings.length, sightings.dropped]).toEqual([100_001, 50_000]);
  });

  it('G10: counts what is being written among them', async () => {
    const { recorded, sightings } = recorder();
    let open = () => {};
    recorded.gate = new Promise((resolve) => (open = resolve));
    for (let index = 0; index < 100_000; index++) sightings.note(idOf(index), START, ipOf(index));
    const flush = sightings.flush();
    await Promise.resolve();
    for (let index = 100_000; index < 100_010; index++) sightings.note(idOf(index), START, ipOf(index));
    expect(sightings.dropped).toBe(10);
    open();
    await flush;
    expect(recorded.sightings).toHaveLength(100_000);
  });

  it('drops what cannot be written, at the first failure, and counts it; the next use is written', async () => {
    const { recorded, sightings } = recorder();
    recorded.fails = () => recorded.chunks.length > 1;
    for (let index = 0; index < 1700; index++) sightings.note(idOf(index), START, ipOf(index));
    await sightings.flush();
    expect([recorded.chunks, recorded.sightings.length, sightings.dropped]).toEqual([[500, 500], 500, 1200]);
    recorded.fails = () => false;
    for (let index = 0; index < 1700; index++) sightings.note(idOf(index), START + MINUTE, ipOf(index));
    await sightings.flush();
    // Those that were written before are left alone for their interval.
    expect([recorded.sightings.length, sightings.dropped]).toEqual([1700, 1200]);
  });

  it('writes a pair again after its interval, and not before', async () => {
    const { recorded, sightings } = recorder();
    for (const after of [0, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 6 * MINUTE]) {
      sightings.note(idOf(1), START + after, ipOf(1));
      await sightings.flush();
    }
    expect(recorded.sightings.map(({ lastAt }) => lastAt - START)).toEqual([0, 5 * MINUTE]);
  });
});

describe('the batch of events', () => {
  const event = (index: number) => ({ at: START + index, type: 'LOGIN_FAILED' }) as DetachedEvent;

  it('G10: holds 10,000 at most, and counts the others, those that are being written among them', async () => {
    const recorded = new Recorded();
    const batch = new EventBatch(recorded);
    let open = () => {};
    recorded.gate = new Promise((resolve) => (open = resolve));
    for (let index = 0; index < 12_000; index++) batch.add(event(index));
    expect(batch.dropped).toBe(2000);
    const flush = batch.flush();
    await Promise.resolve();
    batch.add(event(0));
    expect(batch.dropped).toBe(2001);
    open();
    await flush;
    expect([recorded.events.length, Math.max(...recorded.chunks)]).toEqual([10_000, 500]);
    batch.add(event(0));
    recorded.fails = () => true;
    await batch.flush();
    expect(batch.dropped).toBe(2002);
  });
});

describe('the recorder of statistics', () => {
  const recorder = () => {
    const recorded = new Recorded();
    const clock = new ManualClock(START + 59 * MINUTE);
    return { recorded, clock, statistics: new StatisticRecorder(recorded, clock) };
  };
  const login = (deviceType: string | null, impersonator: string | null = null): LifecycleEvent => ({
    type: 'session.login',
    sessionId: idOf(1),
    userId: 'alice',
    deviceType,
    ip: null,
    impersonator,
  });

  it('counts by the hour of UTC, and no operator as a user', async () => {
    const { recorded, clock, statistics } = recorder();
    for (const type of ['phone', 'phone', 'laptop', null]) statistics.emit(login(type));
    statistics.emit(login('phone', 'root'));
    statistics.emit({ type: 'session.ended', sessionId: idOf(1), userId: 'alice', reason: 'SESSION_KICKED' });
    statistics.emit({ type: 'session.renewed', sessionId: idOf(1), userId: 'alice' });
    clock.advance(MINUTE);
    statistics.emit(login('phone'));
    await statistics.flush();
    expect(recorded.statistics.map(({ hour, kind, name, amount }) => [hour - START, kind, name, amount])).toEqual([
      [0, 'end', 'SESSION_KICKED', 1],
      [0, 'login', '', 1],
      [0, 'login', 'laptop', 1],
      [0, 'login', 'phone', 2],
      [HOUR, 'login', 'phone', 1],
    ]);
    await statistics.flush();
    expect(recorded.statistics).toHaveLength(5);
  });

  it('counts 50 types of devices of an hour apart, across batches, and the rest as others', async () => {
    const { recorded, clock, statistics } = recorder();
    const amountOf = (name: string) =>
      recorded.statistics.filter((one) => one.name === name).reduce((sum, { amount }) => sum + amount, 0);
    for (let index = 0; index < 1000; index++) {
      statistics.emit(login(`type-${index}`));
      if (index % 100 === 0) await statistics.flush();
    }
    statistics.emit(login('type-7'));
    await statistics.flush();
    expect(new Set(recorded.statistics.map(({ name }) => name)).size).toBe(51);
    expect([amountOf('other'), amountOf('type-7'), amountOf('type-900')]).toEqual([950, 2, 0]);
    clock.advance(HOUR);
    statistics.emit(login('type-900'));
    await statistics.flush();
    expect(amountOf('type-900')).toBe(1);
  });

  it('looks at the number of live sessions every five minutes, keeps the highest, and is content without', async () => {
    const { recorded, clock, statistics } = recorder();
    clock.advance(MINUTE);
    for (const live of [5, 9, 3]) {
      recorded.live = live;
      await statistics.countLive();
      clock.advance(2.5 * MINUTE);
    }
    await statistics.flush();
    expect(recorded.statistics).toEqual([{ hour: START + HOUR, kind: 'online', name: '', amount: 5 }]);
    recorded.fails = () => true;
    clock.advance(HOUR);
    await statistics.countLive();
    recorded.fails = () => false;
    await statistics.flush();
    expect([recorded.statistics.length, statistics.dropped]).toEqual([1, 0]);
  });

  it('loses what cannot be written, and counts it', async () => {
    const { recorded, statistics } = recorder();
    recorded.fails = () => true;
    for (let index = 0; index < 7; index++) statistics.emit(login('phone'));
    await statistics.flush();
    recorded.fails = () => false;
    await statistics.flush();
    expect([recorded.statistics, statistics.dropped]).toEqual([[], 7]);
  });
});

describe('a login that failed', () => {
  const record = (userId: unknown, login?: unknown) => {
    const events: DetachedEvent[] = [];
    const told: LifecycleEvent[] = [];
    const batch = { add: (event: DetachedEvent) => events.push(event) } as unknown as EventBatch;
    const logins = new FailedLogins({
      realm: 'users',
      batch,
      events: { emit: (event) => void told.push(event) },
      clock: new ManualClock(START),
    });
    logins.record(userId as string, login as undefined);
    return { event: events[0]!, told: told[0]! };
  };

  it('is noted with what is known of it', () => {
    const { event, told } = record('alice', { ip: '::ffff:192.0.2.1', deviceType: 'Phone', deviceName: 'her phone' });
    expect(event).toMatchObject({
      at: START,
      type: 'LOGIN_FAILED',
      account: { userId: 'alice', realm: 'users' },
      actor: 'alice',
      ip: '192.0.2.1',
      deviceType: 'phone',
      deviceName: 'her phone',
      detail: { reason: 'BAD_CREDENTIALS' },
    });
    expect(told).toEqual({
      type: 'account.login-failed',
      userId: 'alice',
      ip: '192.0.2.1',
      deviceType: 'phone',
      reason: 'BAD_CREDENTIALS',
    });
    expect(record(7).event.account?.userId).toBe('7');
    for (const nobody of [null, '']) expect(record(nobody).event).toMatchObject({ account: null, actor: 'unknown' });
  });

  it('A91, A94: takes hostile text, and cuts or leaves out what would not fit', () => {
    const { event } = record('x'.repeat(1_000_000), {
      ip: '<script>',
      deviceType: "'; DROP TABLE latchkey_session; --",
      deviceName: `\0\u2028\ud800${'y'.repeat(1_000_000)}`,
    });
    expect(event.account!.userId).toHaveLength(1024);
    expect([event.ip, event.deviceType, event.deviceName!.length, event.actor.length]).toEqual([null, null, 128, 255]);
    expect(event.deviceName).toMatch(/^ {3}y+$/);
    expect(record("' OR 1=1 --\0\ud800").event.account!.userId).toBe("' OR 1=1 --\0\ud800");
  });

  it('A95: a value of a wrong type is refused', () => {
    for (const userId of [{}, [], undefined, true, 1.5, Symbol('x')]) {
      expect(() => record(userId)).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
    }
  });

  it('G9: keeps neither a password nor a token, whatever it is given', () => {
    const token = `ses_rt_${'aB3-'.repeat(24)}`;
    const jwt = `eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.${'x'.repeat(86)}`;
    const { event, told } = record(`me ${token} ${jwt}`, {
      deviceName: token,
      ip: token,
    });
    const all = JSON.stringify([event, told]);
    for (const secret of [token.slice(8), jwt.slice(0, 30)]) expect(all).not.toContain(secret);
    const withPassword = () => record('me', { password: 'secret-password' });
    expect(withPassword).toThrow(/^password is unknown/);
    expect(withPassword).not.toThrow(/secret-password/);
    expect(event.account!.userId).toBe('me (token) (token)');
  });
});
