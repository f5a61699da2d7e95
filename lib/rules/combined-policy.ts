import type { LiveSession, LoginCandidate, PolicyNeeds, SlotDecision } from '../model/session-change.js';
import { SessionError, invalidOption } from '../model/session-error.js';
import { type DevicePolicy, decideSlot, needsOf } from './device-policy.js';

/** Separates the slots of the single policies in the slot of all of them. */
const SEPARATOR = '&';
/** Every order of the policies is tried: 24 of four. */
const MOST_COMBINED = 4;

const membersOf = new WeakMap<DevicePolicy, readonly DevicePolicy[]>();

/**
 * Combines 2 to 4 policies, each of which holds: `allOf(oneDevicePerType(), multiDevice({ max: 3 }))`. Each one decides among the
 * sessions that the others leave, in the order that ends the fewest, so that a session of the newcomer's own type makes way before
 * that of another. Refuses a login if in every order one of them does. Needs to see what the most demanding of them does.
 * @throws SessionError CONFIGURATION_INVALID
 */
export function allOf(...policies: readonly DevicePolicy[]): DevicePolicy {
  const members = policies.flatMap((policy) => (policy && membersOf.get(policy)) ?? [policy]);
  const isPolicy = (one: DevicePolicy | undefined) => typeof one?.decide === 'function';
  if (members.length < 2 || members.length > MOST_COMBINED || !members.every(isPolicy)) {
    throw invalidOption('policy', `must give allOf 2 to ${MOST_COMBINED} policies`);
  }
  const orders = ordersOf(members.map((_, index) => index));
  const needs = members.map(needsOf).reduce(widerOf);
  const combined: DevicePolicy = {
    name: `allOf(${members.map(({ name }) => name).join(', ')})`,
    needs,
    decide(candidate, live) {
      let best: SlotDecision | null = null;
      for (const order of orders) {
        const decision = decideInOrder(members, order, candidate, live, needs);
        if (decision.kind === 'grant' && decision.end.length === 0) return decision;
        if (best === null || isBetter(decision, best)) best = decision;
      }
      return best!;
    },
  };
  membersOf.set(combined, members);
  return combined;
}

/** Decides as a login does: shows the sessions that the policy needs, and then the one that holds the slot granted. */
export function decideAmong(
  policy: DevicePolicy,
  login: LoginCandidate,
  live: readonly LiveSession[],
): { readonly decision: SlotDecision; readonly shown: LiveSession[] } {
  const needs = needsOf(policy);
  const newest = typeof needs === 'object' ? [...live].sort(newestFirst).slice(0, needs.newest) : [];
  const isOfLogin = ({ id, deviceId }: LiveSession) =>
    id === login.presentedSessionId || (deviceId !== null && deviceId === login.deviceId);
  const shown = live.filter((one) => needs === 'all' || isOfLogin(one) || newest.includes(one));
  for (;;) {
    const decision = decideSlot(policy, login, shown);
    const isHolder = (one: LiveSession) => decision.kind === 'grant' && one.slot === decision.slot;
    const unseen = live.find((one) => isHolder(one) && !shown.includes(one));
    if (!unseen) return { decision, shown };
    shown.push(unseen);
  }
}

function newestFirst(a: LiveSession, b: LiveSession): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
}

function decideInOrder(
  members: readonly DevicePolicy[],
  order: readonly number[],
  candidate: LoginCandidate,
  live: readonly LiveSession[],
  needs: PolicyNeeds,
): SlotDecision {
  const slots: string[] = [];
  const end = new Set<string>();
  for (const index of order) {
    const member = members[index]!;
    const left = live.filter(({ id }) => !end.has(id));
    const seen = left.map((session) => ({ ...session, slot: ownSlot(session.slot, index, members.length) }));
    const { decision } = decideAmong(member, candidate, seen);
    if (decision.kind === 'refuse') return decision;
    checkSlot(member, decision.slot, candidate, needs);
    slots[index] = decision.slot;
    for (const id of decision.end) end.add(id);
  }
  return { kind: 'grant', slot: slots.join(SEPARATOR), end: [...end] };
}

/** The part of one policy in a slot of all of them. A session of an earlier configuration shows its whole slot to each. */
function ownSlot(slot: string, index: number, count: number): string {
  const parts = slot.split(SEPARATOR);
  return parts.length === count ? parts[index]! : slot;
}

/** The index of slots keeps apart those of all policies together, and not those of each. */
function checkSlot({ name }: DevicePolicy, slot: string, { sessionId }: LoginCandidate, needs: PolicyNeeds): void {
  const isChecked = needs === 'all' || slot.includes(sessionId);
  if (isChecked && !slot.includes(SEPARATOR)) return;
  const problem = isChecked
    ? `granted the slot "${slot}": in allOf, a slot has no "${SEPARATOR}"`
    : `granted the slot "${slot}" without all sessions in sight: in allOf, it must declare needs: 'all', or name slots by the session`;
  throw new SessionError('CONFIGURATION_INVALID', `The device policy "${name}" ${problem}.`);
}

function isBetter(decision: SlotDecision, than: SlotDecision): boolean {
  if (decision.kind === 'refuse') return false;
  return than.kind === 'refuse' || decision.end.length < than.end.length;
}

function widerOf(a: PolicyNeeds, b: PolicyNeeds): PolicyNeeds {
  if (a === 'all' || b === 'device') return a;
  if (b === 'all' || a === 'device') return b;
  return a.newest >= b.newest ? a : b;
}

function ordersOf(items: readonly number[]): readonly (readonly number[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((first) => ordersOf(items.filter((one) => one !== first)).map((rest) => [first, ...rest]));
}
