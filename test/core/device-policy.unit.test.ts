import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { allOf, decideAmong } from 'lib/combined-policy.js';
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

const groups = oneDevicePerType({ types: { mobile: ['phone', 'tablet'], desk: ['laptop', 'desktop'] } });
const [single, perType, any] = [singleDevice(), oneDevicePerType(), multiDevice({ max: Infinity })];
const [one, two, three] = [1, 2, 3].map((max) => multiDevice({ max })) as [DevicePolicy, DevicePolicy, DevicePolicy];
const leastActive = multiDevice({ max: 2, overflow: 'evict-least-active' });
const reject = multiDevice({ max: 2, overflow: 'reject' });
const perTypeOfTwo = [allOf(perType, two), allOf(two, perType)] as const;
const rejectOfBoth = [allOf(perType, reject), allOf(reject, perType)] as const;
const [slot0, slot2] = [live('a', { slot: 'multi:0' }), live('b', { slot: 'multi:2' })];
const tablet = live('tablet', { deviceType: 'tablet', createdAt: NOW - 2 * MINUTE });
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
    ['groups: a type of the group makes way', groups, [tablet, laptop], onPhone, 'type:mobile', ['tablet']],
    ['groups: other groups stay', groups, [laptop, lamp], onPhone, 'type:mobile', []],
    ['groups: no type, and one in no group', groups, [lamp, laptop], {}, 'type:other', ['lamp']],
    // The type was a group of its own when the session began.
    [
      'groups: a list before',
      groups,
      [live('a', { slot: 'type:mobile', deviceType: 'tv' })],
      onPhone,
      'type:mobile',
      ['a'],
    ],
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

  it.each([0, 1])('all of: the own type makes way before the oldest, in either order', (order) => {
    const policy = perTypeOfTwo[order]!;
    const at = (type: string, multi: number) => (order === 0 ? `${type}&multi:${multi}` : `multi:${multi}&${type}`);
    const own = { ...phone, slot: at('type:phone', 1) };
    const others = [{ ...laptop, slot: at('type:laptop', 0), createdAt: NOW - 90 * MINUTE }];
    // Ends one, and not the oldest as well.
    expect(decide(policy, [own, ...others], onPhone)).toEqual({
      kind: 'grant',
      slot: at('type:phone', 1),
      end: ['phone'],
    });
    // No own one is there: the oldest goes.
    const second = { ...tablet, slot: at('type:tablet', 1) };
    expect(decide(policy, [second, ...others], onPhone)).toEqual({
      kind: 'grant',
      slot: at('type:phone', 0),
      end: ['laptop'],
    });
    expect(decide(policy, others, onPhone)).toEqual({ kind: 'grant', slot: at('type:phone', 1), end: [] });
    // What another policy let in counts as well.
    expect(decide(policy, [slot0, live('c', { slot: 'single' })], onPhone)).toMatchObject({
      kind: 'grant',
      end: ['a'],
    });
    // Refuses where one does, but not where the other one makes room.
    expect(decide(rejectOfBoth[order]!, [second, ...others], onPhone)).toEqual({ kind: 'refuse', limit: 2 });
    expect(decide(rejectOfBoth[order]!, [own, ...others], onPhone)).toMatchObject({ kind: 'grant', end: ['phone'] });
  });

  it('all of: needs what the most demanding one needs, and flattens', () => {
    const newest = (count: number) => ({ ...single, needs: { newest: count } });
    expect(needsOf(allOf(any, perType))).toBe('all');
    expect(needsOf(allOf(newest(3), any, newest(7)))).toEqual({ newest: 7 });
    expect(needsOf(allOf(any, any))).toBe('device');
    expect(allOf(allOf(perType, two), any).name).toBe('allOf(oneDevicePerType, multiDevice, multiDevice)');
    for (const bad of [[], [two], [two, 7], [two, undefined], [two, two, two, two, two], [two, () => two]]) {
      expect(() => allOf(...(bad as never[]))).toThrow('"policy" must give allOf 2 to 4 policies');
    }
  });

  it('all of: shows each policy what it needs alone, and takes no slot that it cannot vouch for', () => {
    const seen: string[][] = [];
    const own: DevicePolicy = {
      name: 'mine',
      needs: 'device',
      decide: (_login, shown) => {
        seen.push(shown.map(({ slot }) => slot));
        return { kind: 'grant', slot: 'mine', end: shown.map(({ id }) => id) };
      },
    };
    const held = live('held', { slot: 'mine&type:laptop', deviceType: 'laptop' });
    expect(decide(allOf(own, perType), [held, lamp], onPhone)).toMatchObject({
      slot: 'mine&type:phone',
      end: ['held'],
    });
    expect(seen).toContainEqual([]);
    expect(seen).toContainEqual(['mine']);
    expect(seen).not.toContainEqual(expect.arrayContaining(['slot-lamp']));
    expect(() => decide(allOf(own, any), [], onPhone)).toThrow(/"mine" granted the slot "mine" without all sessions/);
    const split: DevicePolicy = { ...single, name: 'split', decide: () => ({ kind: 'grant', slot: 'a&b', end: [] }) };
    expect(() => decide(allOf(split, perType), [], onPhone)).toThrow(/"split" granted the slot "a&b": in allOf/);
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
    fc.constantFrom(single, perType, any, groups, ...perTypeOfTwo, ...rejectOfBoth),
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
          if (policy.name.startsWith('allOf')) expect(sessions.length).toBeLessThanOrEqual(2);
          const max = /^multi:/.test(decision.slot) ? 4 : Infinity;
          expect(sessions.length).toBeLessThanOrEqual(max);
        });
      }),
      { numRuns: rounds('properties') },
    );
  });
});
