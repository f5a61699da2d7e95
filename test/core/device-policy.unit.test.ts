import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LiveSession } from 'lib/session-change.js';
import {
  type DevicePolicy,
  decideSlot,
  multiDevice,
  needsOf,
  oneDevicePerType,
  singleDevice,
  tooManySessions,
} from 'lib/device-policy.js';
import { decideAmong } from 'lib/policy-contract.js';
import { rounds } from '../support/size.js';

const MINUTE = 60_000;
const NOW = 100 * MINUTE;

const live = (id: string, session: Partial<LiveSession> = {}): LiveSession => ({
  id,
  slot: `slot-${id}`,
  deviceType: null,
  deviceId: null,
  deviceName: null,
  createdAt: NOW - 10 * MINUTE,
  lastSeenAt: NOW - MINUTE,
  presentedAt: NOW - MINUTE,
  ...session,
});

interface Login {
  deviceType?: string;
  deviceId?: string;
  presentedSessionId?: string;
}

const candidateOf = (login: Login = {}) => ({
  sessionId: 'new',
  deviceType: null,
  deviceId: null,
  presentedSessionId: null,
  now: NOW,
  ...login,
});

const decide = (policy: DevicePolicy, sessions: LiveSession[], login: Login = {}) =>
  policy.decide(candidateOf(login), sessions);

const old = live('old', { createdAt: NOW - 50 * MINUTE, lastSeenAt: NOW - MINUTE });
const idle = live('idle', { createdAt: NOW - 20 * MINUTE, lastSeenAt: NOW - 15 * MINUTE });
const unused = live('unused', { createdAt: NOW - 3 * MINUTE, lastSeenAt: NOW - 3 * MINUTE, presentedAt: null });
/** In use by requests that do not count as a use. */
const quiet = live('quiet', { ...unused, id: 'quiet', slot: 'slot-quiet', presentedAt: NOW - 2 * MINUTE });
const fresh = live('fresh', { createdAt: NOW - MINUTE, lastSeenAt: NOW - MINUTE, presentedAt: null });
const phone = live('phone', { deviceType: 'phone' });
const laptop = live('laptop', { deviceType: 'laptop', deviceId: 'L1' });

const [single, perType, any] = [singleDevice(), oneDevicePerType(), multiDevice({ max: Infinity })];
const [one, two, three] = [1, 2, 3].map((max) => multiDevice({ max })) as [DevicePolicy, DevicePolicy, DevicePolicy];
const leastActive = multiDevice({ max: 2, overflow: 'evict-least-active' });
const reject = multiDevice({ max: 2, overflow: 'reject' });
const [slot0, slot2] = [live('a', { slot: 'multi:0' }), live('b', { slot: 'multi:2' })];
const lamp = live('lamp', { deviceType: 'lamp' });
const fridge = live('fridge', { deviceType: 'fridge', slot: 'type:other' });
const onPhone = { deviceType: 'phone' };
const onLaptop = { deviceId: 'L1' };

describe('device policies', () => {
  it.each([
    ['single: nobody is there', single, [], {}, 'single', []],
    ['single: ends every other one', single, [old, idle], {}, 'single', ['old', 'idle']],
    ['single: ends what another policy let in', single, [slot0, phone], {}, 'single', ['a', 'phone']],
    ['per type: ends its own type', perType, [phone, laptop], onPhone, 'type:phone', ['phone']],
    ['per type: leaves other types', perType, [laptop], onPhone, 'type:phone', []],
    ['per type: unknown types share one', perType, [lamp], {}, 'type:other', ['lamp']],
    // The list did not know the type when the session began, and knows it now.
    ['per type: a new type', oneDevicePerType({ types: ['fridge'] }), [fridge], {}, 'type:other', ['fridge']],
    ['multi: no limit', any, [old, idle, phone], {}, 'session:new', []],
    ['multi: same device makes way', any, [laptop, phone], onLaptop, 'session:new', ['laptop']],
    ['multi: the presented one makes way', any, [old, idle], { presentedSessionId: 'idle' }, 'session:new', ['idle']],
    ['max: room', three, [slot0, slot2], {}, 'multi:1', []],
    ['max: oldest goes', two, [idle, old], {}, 'multi:0', ['old']],
    ['max: least active goes', leastActive, [old, idle], {}, 'multi:0', ['idle']],
    ['max: an abandoned login goes first', two, [old, unused], {}, 'multi:0', ['unused']],
    ['max: one that was presented is not abandoned', two, [old, quiet], {}, 'multi:0', ['old']],
    ['max: a login just made is not abandoned', two, [old, fresh], {}, 'multi:0', ['old']],
    ['max: same device goes before the oldest', two, [old, laptop], onLaptop, 'multi:0', ['laptop']],
    ['max: lowered from 3 to 1', one, [old, idle, phone], {}, 'multi:0', ['old', 'idle', 'phone']],
    ['reject: an abandoned login goes', reject, [old, unused], {}, 'multi:0', ['unused']],
    ['reject: same device may come back', reject, [old, laptop], onLaptop, 'multi:0', ['laptop']],
  ] as const)('%s', (_name, policy, sessions, login, slot, end) => {
    const decision = decide(policy, [...sessions], login);
    expect(decision).toEqual({ kind: 'grant', slot, end: expect.any(Array) });
    expect(decision.kind === 'grant' && [...decision.end].sort()).toEqual([...end].sort());
  });

  it('A73: refuses at the limit under reject', () => {
    expect(decide(reject, [old, idle])).toEqual({ kind: 'refuse', limit: 2 });
  });

  it('keeps at most 100 sessions under multiDevice without a maximum', () => {
    const sessions = Array.from({ length: 100 }, (_, index) =>
      live(`s${index}`, { slot: `multi:${index}`, createdAt: NOW - index * MINUTE }),
    );
    expect(decide(multiDevice(), sessions)).toEqual({ kind: 'grant', slot: 'multi:99', end: ['s99'] });
    expect(decide(multiDevice(), sessions.slice(1))).toEqual({ kind: 'grant', slot: 'multi:0', end: [] });
  });

  it.each([0, 1001, 1.5, NaN, -Infinity, null, '3'])('refuse the maximum %p, and name what is allowed', (max) => {
    expect(() => multiDevice({ max: max as number })).toThrow(
      'SessionModule option "policy.max" must be a whole number from 1 to 1,000, or Infinity for no limit.',
    );
  });

  it('need to see all live sessions, unless there is no limit to them', () => {
    expect([single, perType, one, multiDevice(), reject].map(needsOf)).toEqual(Array(5).fill('all'));
    expect(needsOf(any)).toBe('device');
    expect(needsOf({ ...single, needs: { newest: 1000 } })).toEqual({ newest: 1000 });
    for (const needs of ['newest', { newest: 0 }, { newest: 1001 }, null]) {
      expect(() => needsOf({ ...single, name: 'mine', needs: needs as never })).toThrow(
        /^The device policy "mine" needs .*, which must be 'device', 'all' or \{ newest: a whole number from 1 to 1,000 \}\.$/,
      );
    }
  });

  it('end only sessions that they were shown', () => {
    const policy: DevicePolicy = { ...any, decide: () => ({ kind: 'grant', slot: 'x', end: ['unseen'] }) };
    expect(() => decideSlot(policy, candidateOf(), [])).toThrow(
      /wants to end "unseen", which is not the id of a live session/,
    );
  });

  it('are named, with what to do, where an account has too many sessions', () => {
    const { code, cause } = tooManySessions({ ...single, name: 'mine' }, 'alice');
    expect(code).toBe('SESSION_LIMIT_REACHED');
    expect((cause as Error).message).toMatch(/"mine".*"alice".*OperatorService\.kickUser.*DevicePolicy\.needs/);
  });

  const policies = fc.oneof(
    fc.constantFrom(single, perType, any),
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
          const candidate = { sessionId: `s${index}`, deviceType, deviceId, presentedSessionId: null, now };
          const { decision } = decideAmong(policy, candidate, sessions);
          expect(decideAmong(policy, candidate, [...sessions].reverse()).decision).toEqual({
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
            deviceName: null,
            createdAt: now,
            lastSeenAt: used ? now + 1 : now,
            presentedAt: used ? now + 1 : null,
          });
          expect(new Set(sessions.map((session) => session.slot)).size).toBe(sessions.length);
          if (policy.name === 'singleDevice') expect(sessions).toHaveLength(1);
          const max = /^multi:/.test(decision.slot) ? 4 : Infinity;
          expect(sessions.length).toBeLessThanOrEqual(max);
        });
      }),
      { numRuns: rounds('properties') },
    );
  });
});
