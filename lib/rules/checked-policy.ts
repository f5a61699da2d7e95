import type { DevicePolicy } from './device-policy.js';
import type { LiveSession, LoginCandidate, SlotDecision } from '../model/device-slot.js';
import { SessionError } from '../model/session-error.js';

const MAX_SLOT = 64;

/**
 * Asks a policy, which may be the application's, and takes nothing from it that could not be recorded.
 * @throws SessionError CONFIGURATION_INVALID, saying what is wrong with the decision; what the policy throws, as it is
 */
export function decideSlot(
  policy: DevicePolicy,
  candidate: LoginCandidate,
  live: readonly LiveSession[],
): SlotDecision {
  const decision: unknown = policy.decide(candidate, live);
  const problem = problemOf(decision, live);
  if (problem === null) return decision as SlotDecision;
  const message =
    `The device policy "${policy.name}" ${problem}. Its decide() must return { kind: 'grant', slot, end } with a slot of 1 to ` +
    `${MAX_SLOT} characters that no session has which stays, and the ids of the live sessions to end; or { kind: 'refuse', limit }.`;
  throw new SessionError('CONFIGURATION_INVALID', message);
}

/** What a function given as policy picked. @throws SessionError CONFIGURATION_INVALID unless it is a policy */
export function checkPicked(policy: unknown): DevicePolicy {
  if (typeof (policy as DevicePolicy | null | undefined)?.decide === 'function') return policy as DevicePolicy;
  throw new SessionError(
    'CONFIGURATION_INVALID',
    `The function given as SessionModule option "policy" returned ${describe(policy)}. It must return a DevicePolicy.`,
  );
}

/** Null for a decision that can be carried out. */
function problemOf(decision: unknown, live: readonly LiveSession[]): string | null {
  if (typeof decision !== 'object' || decision === null || decision instanceof Promise) {
    return `returned ${describe(decision)}`;
  }
  const { kind, limit, slot, end } = decision as Partial<Record<'kind' | 'limit' | 'slot' | 'end', unknown>>;
  if (kind === 'refuse') {
    return Number.isSafeInteger(limit)
      ? null
      : `refused with ${describe(limit)} for a limit, which must be a whole number`;
  }
  if (kind !== 'grant') return `returned an object whose kind is ${describe(kind)}`;
  if (typeof slot !== 'string' || slot.length < 1 || slot.length > MAX_SLOT)
    return `granted ${describe(slot)} for a slot`;
  if (!Array.isArray(end))
    return `granted a slot with ${describe(end)} for the sessions to end, which must be an array`;
  const stranger: unknown = end.find((id) => !live.some((one) => one.id === id));
  if (stranger !== undefined || end.includes(undefined)) {
    return `wants to end ${describe(stranger)}, which is no id of a live session that it was given`;
  }
  const holder = live.find((one) => one.slot === slot && !end.includes(one.id));
  return holder ? `granted the slot "${slot}", which session ${holder.id} has and keeps` : null;
}

/** Short, and without what an object holds. */
function describe(value: unknown): string {
  if (value instanceof Promise) return 'a Promise';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string'
    ? JSON.stringify(value.slice(0, 80))
    : typeof value === 'function'
      ? 'a function'
      : String(value);
}
