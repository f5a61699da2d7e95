import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LiveSession } from 'lib/device-slot.js';
import { type DevicePolicy, multiDevice, oneDevicePerType, singleDevice } from 'lib/device-policy.js';
import { rounds } from '../support/size.js';

const MINUTE = 60_000;
const NOW = 100 * MINUTE;

const live = (id: string, session: Partial<LiveSession> = {}): LiveSession => ({
  id,
  slot: `slot-${id}`,
  deviceType: null,
  deviceId: null,
  createdAt: NOW - 10 * MINUTE,
  lastSeenAt: NOW - MINUTE,
  presentedAt: NOW - MINUTE,
  ...session,
});

const decide = (
  policy: DevicePolicy,
  sessions: LiveSession[],
  login: { deviceType?: string; deviceId?: string; presentedSessionId?: string } = {},
) =>
  policy.decide(
    {
      sessionId: 'new',
      deviceType: null,
      deviceId: null,
      presentedSessionId: null,
      now: NOW,
      ...login,
    },
    sessions,
  );

const old = live('old', { createdAt: NOW - 50 * MINUTE, lastSeenAt: NOW - MINUTE });
const idle = live('idle', { createdAt: NOW - 20 * MINUTE, lastSeenAt: NOW - 15 * MINUTE });
const unused = live('unused', { createdAt: NOW - 3 * MINUTE, lastSeenAt: NOW - 3 * MINUTE, presentedAt: null });
/** In use by requests that do not count as a use. */
const quiet = live('quiet', { ...unused, id: 'quiet', slot: 'slot-quiet', presentedAt: NOW - 2 * MINUTE });
const fresh = live('fresh', { createdAt: NOW - MINUTE, lastSeenAt: NOW - MINUTE, presentedAt: null });
const phone = live('phone', { deviceType: 'phone' });
const laptop = live('laptop', { deviceType: 'laptop', deviceId: 'L1' });

describe('device policies', () => {
  it.each([
    ['single: nobody is there', singleDevice(), [], {}, 'single', []],
    ['single: ends every other one', singleDevice(), [old, idle], {}, 'single', ['old', 'idle']],
    [
      'per type: ends its own type',
      oneDevicePerType(),
      [phone, laptop],
      { deviceType: 'phone' },
      'type:phone',
      ['phone'],
    ],
    ['per type: leaves other types', oneDevicePerType(), [laptop], { deviceType: 'phone' }, 'type:phone', []],
    [
      'per type: unknown types share one',
      oneDevicePerType(),
      [live('x', { deviceType: 'fridge' })],
      {},
      'type:other',
      ['x'],
    ],
    ['multi: no limit', multiDevice(), [old, idle, phone], {}, 'session:new', []],
    ['multi: same device makes way', multiDevice(), [laptop, phone], { deviceId: 'L1' }, 'session:new', ['laptop']],
    [
      'multi: the presented session makes way',
      multiDevice(),
      [old, idle],
      { presentedSessionId: 'idle' },
      'session:new',
      ['idle'],
    ],
    [
      'max: room',
      multiDevice({ max: 3 }),
      [live('a', { slot: 'multi:0' }), live('b', { slot: 'multi:2' })],
      {},
      'multi:1',
      [],
    ],
    ['max: oldest goes', multiDevice({ max: 2 }), [idle, old], {}, 'multi:0', ['old']],
    [
      'max: least active goes',
      multiDevice({ max: 2, overflow: 'evict-least-active' }),
      [old, idle],
      {},
      'multi:0',
      ['idle'],
    ],
    ['max: an abandoned login goes first', multiDevice({ max: 2 }), [old, unused], {}, 'multi:0', ['unused']],
    ['max: one that was presented is not abandoned', multiDevice({ max: 2 }), [old, quiet], {}, 'multi:0', ['old']],
    ['max: a login just made is not abandoned', multiDevice({ max: 2 }), [old, fresh], {}, 'multi:0', ['old']],
    [
      'max: same device goes before the oldest',
      multiDevice({ max: 2 }),
      [old, laptop],
      { deviceId: 'L1' },
      'multi:0',
      ['laptop'],
    ],
    ['max: lowered from 3 to 1', multiDevice({ max: 1 }), [old, idle, phone], {}, 'multi:0', ['old', 'idle', 'phone']],
    [
      'reject: an abandoned login goes',
      multiDevice({ max: 2, overflow: 'reject' }),
      [old, unused],
      {},
      'multi:0',
      ['unused'],
    ],
    [
      'reject: same device may come back',
      multiDevice({ max: 2, overflow: 'reject' }),
      [old, laptop],
      { deviceId: 'L1' },
      'multi:0',
      ['laptop'],
    ],
  ] as const)('%s', (_name, policy, sessions, login, slot, end) => {
    const decision = decide(policy, [...sessions], login);
    expect(decision).toEqual({ kind: 'grant', slot, end: expect.any(Array) });
    expect(decision.kind === 'grant' && [...decision.end].sort()).toEqual([...end].sort());
  });

  it('A73: refuses at the limit under reject', () => {
    expect(decide(multiDevice({ max: 2, overflow: 'reject' }), [old, idle])).toEqual({ kind: 'refuse', limit: 2 });
  });

  it('takes effect on sessions that another policy let in', () => {
    expect(decide(singleDevice(), [live('a', { slot: 'multi:0' }), live('b', { slot: 'session:b' })])).toMatchObject({
      end: ['a', 'b'],
    });
    // A type that the list did not know when the session began, and knows now.
    const fridge = live('f', { deviceType: 'fridge', slot: 'type:other' });
    expect(decide(oneDevicePerType({ types: ['fridge'] }), [fridge])).toMatchObject({ slot: 'type:other', end: ['f'] });
  });

  it.each([
    ['max: 0', () => multiDevice({ max: 0 })],
    ['max: 1.5', () => multiDevice({ max: 1.5 })],
    ['max: 1001', () => multiDevice({ max: 1001 })],
    ['a text as max', () => multiDevice({ max: '3' as never })],
    ['an unknown overflow', () => multiDevice({ max: 3, overflow: 'evict-all' as never })],
    ['a bad type', () => oneDevicePerType({ types: ['My Phone'] })],
  ])('refuses %s', (_name, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
  });

  const policies = fc.oneof(
    fc.constant(singleDevice()),
    fc.constant(oneDevicePerType()),
    fc.constant(multiDevice()),
    fc
      .record({
        max: fc.integer({ min: 1, max: 4 }),
        overflow: fc.constantFrom('evict-oldest', 'evict-least-active', 'reject' as const),
      })
      .map(multiDevice),
  );
  const logins = fc.array(
    fc.record({
      policy: policies,
      deviceType: fc.option(fc.constantFrom('phone', 'laptop', 'fridge')),
      deviceId: fc.option(fc.constantFrom('d1', 'd2', 'd3')),
      pause: fc.integer({ min: 0, max: 3 * MINUTE }),
      used: fc.boolean(),
    }),
    { maxLength: 25 },
  );

  it('G1: any history of logins keeps one session in a slot, and never more than the policy allows', () => {
    fc.assert(
      fc.property(logins, (history) => {
        let sessions: LiveSession[] = [];
        let now = NOW;
        history.forEach(({ policy, deviceType, deviceId, pause, used }, index) => {
          now += pause;
          const candidate = {
            sessionId: `s${index}`,
            deviceType,
            deviceId,
            presentedSessionId: null,
            now,
          };
          const decision = policy.decide(candidate, sessions);
          expect(policy.decide(candidate, [...sessions].reverse())).toEqual({
            ...decision,
            ...(decision.kind === 'grant' && { end: expect.arrayContaining([...decision.end]) }),
          });
          if (decision.kind === 'refuse') return;
          expect(decision.slot).toMatch(/^.{1,64}$/);
          for (const id of decision.end) expect(sessions.map((session) => session.id)).toContain(id);
          sessions = sessions.filter((session) => !decision.end.includes(session.id));
          sessions.push({
            id: candidate.sessionId,
            slot: decision.slot,
            deviceType,
            deviceId,
            createdAt: now,
            lastSeenAt: used ? now + 1 : now,
            presentedAt: used ? now + 1 : null,
          });
          expect(new Set(sessions.map((session) => session.slot)).size).toBe(sessions.length);
          const limit = { singleDevice: 1 }[policy.name];
          if (limit) expect(sessions).toHaveLength(limit);
          if (policy.name === 'oneDevicePerType') {
            expect(sessions.filter((session) => session.slot === decision.slot)).toHaveLength(1);
          }
          const max = /^multi:/.test(decision.slot) ? 4 : Infinity;
          expect(sessions.length).toBeLessThanOrEqual(max);
        });
      }),
      { numRuns: rounds('properties') },
    );
  });
});
