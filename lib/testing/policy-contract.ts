import assert from 'node:assert/strict';
import type { LiveSession, LoginCandidate, SlotDecision } from '../model/session-change.js';
import { decideAmong } from '../rules/combined-policy.js';
import { type DevicePolicy, multiDevice, needsOf, oneDevicePerType, singleDevice } from '../rules/device-policy.js';
import { type ContractCase, casesOf } from './contract.js';

const MINUTE = 60_000;
const HISTORIES = 40;
const LOGINS = 25;

/**
 * Contract of DevicePolicy: what SessionModule relies on in a policy of the application's own. Runs it through histories of
 * logins, some of which begin under another policy, as after a change of configuration. Shows it what it needs, and no more.
 * ```ts
 * for (const { name, run } of devicePolicyContract(oneSessionPerCountry)) it(name, run);
 * ```
 */
export function devicePolicyContract(policy: DevicePolicy): readonly ContractCase[] {
  /** Calls `check` with each login of every history, what the policy decides on it, and the sessions that it was shown. */
  const everyDecision = (check: (decision: SlotDecision, candidate: LoginCandidate, live: LiveSession[]) => void) => {
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const random = randomBy(seed);
      const earlier = pick(random, [
        policy,
        singleDevice(),
        oneDevicePerType(),
        multiDevice({ max: 3 }),
        multiDevice({ max: Infinity }),
      ]);
      let live: LiveSession[] = [];
      let now = Date.UTC(2026, 0, 1);
      for (let index = 0; index < LOGINS; index++) {
        now += Math.floor(random() * 3 * MINUTE);
        const candidate = candidateAt(now, `${seed}-${index}`, random, live);
        const isEarlier = index < 5;
        const { decision, shown } = decideAmong(isEarlier ? earlier : policy, candidate, live);
        if (!isEarlier) check(decision, candidate, shown);
        live = after(decision, candidate, live, random() < 0.5);
      }
    }
  };
  return casesOf({
    'has a name': () => assert.match(policy.name, /\S/),
    'says what it needs to see': () => void needsOf(policy),
    'grants a free slot, or refuses with its limit': () => everyDecision(() => undefined),
    'ends the session whose token came with the login': () => {
      everyDecision((decision, { presentedSessionId }) => {
        if (decision.kind === 'grant' && presentedSessionId) assert.ok(decision.end.includes(presentedSessionId));
      });
    },
    'ends the session of the same device': () => {
      everyDecision((decision, { deviceId }, live) => {
        if (decision.kind === 'refuse' || deviceId === null) return;
        const same = live.filter((one) => one.deviceId === deviceId);
        assert.deepEqual(
          same.filter(({ id }) => !decision.end.includes(id)),
          [],
        );
      });
    },
    'decides the same for the same sessions, in any order': () => {
      everyDecision((decision, candidate, live) => {
        assert.deepEqual(sorted(policy.decide(candidate, live)), sorted(decision));
        assert.deepEqual(sorted(policy.decide(candidate, [...live].reverse())), sorted(decision));
      });
    },
    'changes nothing of what it is given': () => {
      everyDecision((_decision, candidate, live) => {
        const frozen = live.map((session) => Object.freeze({ ...session }));
        policy.decide(Object.freeze({ ...candidate }), Object.freeze(frozen));
      });
    },
  });
}

function candidateAt(now: number, sessionId: string, random: () => number, live: LiveSession[]): LoginCandidate {
  return {
    sessionId,
    deviceType: pick(random, [null, 'phone', 'laptop', 'fridge']),
    deviceId: pick(random, [null, null, 'd1', 'd2', 'd3']),
    presentedSessionId: pick(random, [null, null, null, ...live.map(({ id }) => id)]),
    now,
  };
}

function after(decision: SlotDecision, login: LoginCandidate, live: LiveSession[], isUsed: boolean): LiveSession[] {
  if (decision.kind === 'refuse') return live;
  const { sessionId: id, deviceType, deviceId, now } = login;
  const times = { createdAt: now, lastSeenAt: isUsed ? now + 1 : now, presentedAt: isUsed ? now + 1 : null };
  const kept = live.filter((one) => !decision.end.includes(one.id));
  return [...kept, { id, slot: decision.slot, deviceType, deviceId, deviceName: null, ...times }];
}

function sorted(decision: SlotDecision): SlotDecision {
  return decision.kind === 'grant' ? { ...decision, end: [...decision.end].sort() } : decision;
}

function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32), so that a failure comes again. */
function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
