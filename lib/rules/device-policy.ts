import {
  type LiveSession,
  type LoginCandidate,
  MOST_SEEN,
  type PolicyNeeds,
  type SlotDecision,
} from '../model/session-change.js';
import { checkOptions, isObject } from '../model/checked-input.js';
import { SessionError, invalidOption } from '../model/session-error.js';

/**
 * Decides which slot a login takes. Must be pure: `decide` sees live sessions of the account under the account's lock,
 * and a unique index on (account, slot) backs it. A slot is text of 1 to 64 characters.
 */
export interface DevicePolicy {
  readonly name: string;
  /**
   * Live sessions that `decide` has to see. Default: `all`, with which logins of an account that has more than 1,000 are
   * refused. A session that holds the slot granted, and was not shown, is shown in a second call.
   */
  readonly needs?: PolicyNeeds;
  decide(candidate: LoginCandidate, live: readonly LiveSession[]): SlotDecision;
}

/** Rule for the session to end at the limit of multiDevice. */
export type Overflow = 'evict-oldest' | 'evict-least-active' | 'reject';

/** Treats a login as lost in transit when its token was not presented for this long. */
export const ABANDONED_AFTER_MS = 120_000;

/** Allows one session per account: a login ends every other one. */
export function singleDevice(): DevicePolicy {
  return {
    name: 'singleDevice',
    decide: (candidate, live) => allocate(candidate, live, { competes: () => true, slots: ['single'] }),
  };
}

/** Types that `oneDevicePerType` tells apart: a list of them, or groups, each with the types that share one session. */
export type DeviceTypes = readonly string[] | Readonly<Record<string, readonly string[]>>;

/**
 * Allows one session per device type, or per group of types: a login ends the session of its own, and leaves the others.
 * @param options.types distinguished types, lower case, or groups of them, such as `{ mobile: ['phone', 'tablet'] }`; any other
 *   type, or none, counts as `other`. Default: phone, tablet, laptop, desktop, web, tv, watch
 * @throws SessionError CONFIGURATION_INVALID
 */
export function oneDevicePerType(options: { types?: DeviceTypes } = {}): DevicePolicy {
  checkOptions(options, 'policy.', { types: true });
  const groups = groupsOf(options.types ?? ['phone', 'tablet', 'laptop', 'desktop', 'web', 'tv', 'watch']);
  const groupOf = ({ deviceType }: { deviceType: string | null }) =>
    deviceType === null ? OTHER : (groups.get(deviceType) ?? OTHER);
  return {
    name: 'oneDevicePerType',
    decide: (candidate, live) =>
      allocate(candidate, live, {
        competes: (session) => groupOf(session) === groupOf(candidate),
        slots: [`type:${groupOf(candidate)}`],
      }),
  };
}

const OTHER = 'other';

/** Reads the group of each type; in a list, each type is its own. @throws SessionError CONFIGURATION_INVALID */
function groupsOf(given: unknown): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  if (Array.isArray(given)) {
    for (const type of given) groups.set(wordOf(type, 'a device type'), type as string);
    return groups;
  }
  if (!isObject(given) || Object.keys(given).length === 0) {
    throw invalidOption('policy.types', 'must be a list of device types, or groups of them');
  }
  for (const [group, types] of Object.entries(given)) {
    if (wordOf(group, 'a group') === OTHER) {
      throw invalidOption('policy.types', 'names a group "other", which is that of all types that are not listed');
    }
    if (!Array.isArray(types) || types.length === 0) {
      throw invalidOption('policy.types', `must give the group "${group}" a list of device types`);
    }
    for (const type of types) {
      const earlier = groups.get(wordOf(type, 'a device type'));
      if (earlier !== undefined && earlier !== group) {
        throw invalidOption('policy.types', `puts "${type}" into two groups, "${earlier}" and "${group}"`);
      }
      groups.set(type as string, group);
    }
  }
  return groups;
}

function wordOf(value: unknown, what: string): string {
  if (typeof value === 'string' && /^[a-z0-9_-]{1,32}$/.test(value)) return value;
  throw invalidOption('policy.types', `contains "${String(value)}": ${what} is 1 to 32 of a-z, 0-9, _ and -`);
}

/** Limit of `multiDevice()`: more than a person has devices, and far fewer than what makes logins and ends slow. */
const DEFAULT_MAX = 100;

/**
 * Allows several sessions per account.
 * @param options.max most live sessions, 1 to 1,000, or Infinity for no limit; default: 100
 * @param options.overflow `evict-oldest` (default), `evict-least-active`, or `reject` new logins at the limit
 * @throws SessionError CONFIGURATION_INVALID
 */
export function multiDevice(options: { max?: number; overflow?: Overflow } = {}): DevicePolicy {
  checkOptions(options, 'policy.', { max: true, overflow: true });
  const { max = DEFAULT_MAX, overflow = 'evict-oldest' } = options;
  if (max !== Infinity && !isCount(max)) {
    throw invalidOption('policy.max', `must be ${COUNT}, or Infinity for no limit`);
  }
  if (!['evict-oldest', 'evict-least-active', 'reject'].includes(overflow)) {
    throw invalidOption('policy.overflow', 'must be evict-oldest, evict-least-active or reject');
  }
  if (max === Infinity) {
    return {
      name: 'multiDevice',
      needs: 'device',
      decide: (candidate, live) =>
        allocate(candidate, live, { competes: () => false, slots: [`session:${candidate.sessionId}`] }),
    };
  }
  const slots = Array.from({ length: max }, (_, index) => `multi:${index}`);
  return {
    name: 'multiDevice',
    decide: (candidate, live) => allocate(candidate, live, { competes: () => true, slots, overflow }),
  };
}

const COUNT = 'a whole number from 1 to 1,000';

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_SEEN;
}

interface Allocation {
  /** Selects the live sessions that count against the slots, those opened under another policy included. */
  readonly competes: (session: LiveSession) => boolean;
  readonly slots: readonly string[];
  readonly overflow?: Overflow;
}

function allocate(candidate: LoginCandidate, live: readonly LiveSession[], allocation: Allocation): SlotDecision {
  const { competes, slots, overflow = 'evict-oldest' } = allocation;
  const { presentedSessionId, deviceId } = candidate;
  // First those of the same device, and the one whose token came with the request.
  const end = live.filter((one) => one.id === presentedSessionId || (deviceId !== null && one.deviceId === deviceId));
  // An earlier configuration may have put a session of another type into one of the slots.
  const others = live.filter((one) => !end.includes(one) && (competes(one) || slots.includes(one.slot)));
  const surplus = others.length - slots.length + 1;
  if (surplus > 0) {
    const losers = evictionOrder(candidate, others, overflow).slice(0, surplus);
    if (losers.length < surplus) return { kind: 'refuse', limit: slots.length };
    end.push(...losers);
  }
  const taken = new Set(live.filter((session) => !end.includes(session)).map((session) => session.slot));
  const slot = slots.find((name) => !taken.has(name));
  // Fewer than slots.length sessions remain in the slots, so one is free.
  return { kind: 'grant', slot: slot!, end: end.map((session) => session.id) };
}

/** Sorts evictable sessions, first to go first: abandoned logins, then by the overflow rule; ties by id. */
function evictionOrder(candidate: LoginCandidate, sessions: readonly LiveSession[], overflow: Overflow): LiveSession[] {
  const abandoned = (session: LiveSession) =>
    session.presentedAt === null && candidate.now - session.createdAt >= ABANDONED_AFTER_MS;
  const age = (session: LiveSession) =>
    overflow === 'evict-least-active' && !abandoned(session) ? session.lastSeenAt : session.createdAt;
  return sessions
    .filter((session) => overflow !== 'reject' || abandoned(session))
    .sort(
      (a, b) =>
        Number(abandoned(b)) - Number(abandoned(a)) || age(a) - age(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
    );
}

const MAX_SLOT = 64;

/** Asks a policy. @throws SessionError CONFIGURATION_INVALID for an invalid decision; its own errors pass through */
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
    `${MAX_SLOT} characters that no remaining session holds, and the ids of the live sessions to end; or { kind: 'refuse', limit }.`;
  throw new SessionError('CONFIGURATION_INVALID', message);
}

/** Tells how many sessions a policy needs to see. @throws SessionError CONFIGURATION_INVALID */
export function needsOf({ name, needs = 'all' }: DevicePolicy): PolicyNeeds {
  if (needs === 'all' || needs === 'device' || isCount((needs as { newest?: unknown } | null)?.newest)) return needs;
  const problem = `needs ${describe(needs)}, which must be 'device', 'all' or { newest: ${COUNT} }`;
  throw new SessionError('CONFIGURATION_INVALID', `The device policy "${name}" ${problem}.`);
}

/** Explains to operators why a login is refused whose policy needs to see more than MOST_SEEN sessions. */
export function tooManySessions({ name }: DevicePolicy, userId: string): SessionError {
  const cause = new Error(
    `the device policy "${name}" needs to see all live sessions of the account "${userId}", which has more than 1,000: end them first ` +
      'by OperatorService.kickUser or TokenService.revokeSessions, or declare what it needs (DevicePolicy.needs)',
  );
  return new SessionError('SESSION_LIMIT_REACHED', undefined, { cause });
}

/** Checks the return value of a policy function. @throws SessionError CONFIGURATION_INVALID unless it is a policy */
export function checkPicked(policy: unknown): DevicePolicy {
  if (typeof (policy as DevicePolicy | null | undefined)?.decide === 'function') return policy as DevicePolicy;
  const problem = `returned ${describe(policy)}. It must return a DevicePolicy.`;
  throw new SessionError('CONFIGURATION_INVALID', `The function given as SessionModule option "policy" ${problem}`);
}

/** Describes what is wrong with a decision; null for a valid one. */
function problemOf(decision: unknown, live: readonly LiveSession[]): string | null {
  if (typeof decision !== 'object' || decision === null || decision instanceof Promise) {
    return `returned ${describe(decision)}`;
  }
  const { kind, limit, slot, end } = decision as Partial<Record<'kind' | 'limit' | 'slot' | 'end', unknown>>;
  if (kind === 'refuse') {
    const problem = `refused with the limit ${describe(limit)}, which must be a whole number`;
    return Number.isSafeInteger(limit) ? null : problem;
  }
  if (kind !== 'grant') return `returned an object whose kind is ${describe(kind)}`;
  if (typeof slot !== 'string' || slot === '' || slot.length > MAX_SLOT) return `granted ${describe(slot)} as the slot`;
  if (!Array.isArray(end)) return `granted a slot with ${describe(end)} as the sessions to end, which must be an array`;
  const stranger: unknown = end.find((id) => !live.some((one) => one.id === id));
  if (stranger !== undefined || end.includes(undefined)) {
    return `wants to end ${describe(stranger)}, which is not the id of a live session`;
  }
  const holder = live.find((one) => one.slot === slot && !end.includes(one.id));
  return holder ? `granted the slot "${slot}", which session ${holder.id} holds and keeps` : null;
}

/** Describes a value briefly, without the contents of objects. */
function describe(value: unknown): string {
  if (value instanceof Promise) return 'a Promise';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}
