import { END_REASONS, type EndReason } from '../../model/session.js';
import { type IpRange, clientAddress, ipRange } from '../../model/ip-key.js';
import { optionalText } from '../../commands/arguments.js';
import { invalidArgument } from '../../model/session-error.js';
import type { SessionEventType } from '../../model/session-event.js';
import { SOUGHT_FIELDS, type SoughtField } from '../../model/session-fields.js';
import { isSessionId } from '../../tokens/token-codec.js';
import { type UserId, accountRef } from '../../model/user-key.js';
import type { OnlineFilter, TimeRange } from '../../database/lists/online-filter.js';
import type { EndedFilter, EventFilter } from '../../database/lists/session-queries.js';

/** Which live sessions; every part that is given must hold. Words such as `deviceType` and `loginMethod` in any case. */
export interface OnlineCriteria extends Readonly<Partial<Record<SoughtField, string>>> {
  /**
   * Beginning of a user id, user name or device name, in any case, or of an address: for IPv4, the first octets
   * suffice. At most 128 characters, of which 64 bytes count.
   */
  readonly q?: string;
  /** Lets `q` match addresses. Default true. */
  readonly addresses?: boolean;
  readonly userId?: UserId;
  /** Address of the login or of the last use, or a network such as `192.0.2.0/24`. */
  readonly ip?: string;
  /** Time of the login, from inclusive, to exclusive. Milliseconds since the epoch. */
  readonly createdFrom?: number;
  readonly createdTo?: number;
  /** Time of the last recorded use, from inclusive, to exclusive. Milliseconds since the epoch. */
  readonly seenFrom?: number;
  readonly seenTo?: number;
}

/** Filter of past sessions. */
export interface EndedCriteria {
  readonly userId?: UserId;
  readonly reason?: EndReason;
  /** Milliseconds since the epoch, from inclusive, to exclusive. */
  readonly endedFrom?: number;
  readonly endedTo?: number;
}

/** Filter of the audit trail. */
export interface EventCriteria {
  readonly userId?: UserId;
  readonly sessionId?: string;
  readonly ip?: string;
  readonly type?: SessionEventType;
  /** Milliseconds since the epoch, inclusive. */
  readonly from?: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly to?: number;
}

/** @throws SessionError ARGUMENT_INVALID */
export function onlineFilter(realm: string, criteria: OnlineCriteria): OnlineFilter {
  const { addresses = true } = criteria;
  if (typeof addresses !== 'boolean') throw invalidArgument('addresses', 'must be true or false');
  const prefix = optionalText(criteria.q, 'q', 128);
  const prefixIp = prefix === null || !addresses ? null : addressBegin(prefix);
  const ip = networkOf(criteria.ip);
  const sought = SOUGHT_FIELDS.map((name) => [name, optionalText(criteria[name], name, 32)?.toLowerCase()] as const);
  const created = timeRange(criteria, 'createdFrom', 'createdTo');
  const seen = timeRange(criteria, 'seenFrom', 'seenTo');
  return {
    ...(criteria.userId !== undefined && { account: accountRef(realm, criteria.userId) }),
    ...(prefix !== null && { prefix }),
    ...(prefixIp !== null && { prefixIp }),
    ...(ip !== null && { ip }),
    ...Object.fromEntries(sought.filter(([, word]) => word !== undefined)),
    ...(created && { created }),
    ...(seen && { seen }),
  };
}

/** @throws SessionError ARGUMENT_INVALID */
export function endedFilter(realm: string, criteria: EndedCriteria): EndedFilter {
  const { reason } = criteria;
  if (reason !== undefined && !(END_REASONS as readonly unknown[]).includes(reason)) {
    throw invalidArgument('reason', `must be one of ${END_REASONS.join(', ')}`);
  }
  const ended = timeRange(criteria, 'endedFrom', 'endedTo');
  return {
    ...(criteria.userId !== undefined && { account: accountRef(realm, criteria.userId) }),
    ...(reason !== undefined && { reason }),
    ...(ended && { ended }),
  };
}

/** @throws SessionError ARGUMENT_INVALID */
export function eventFilter(realm: string, criteria: EventCriteria): EventFilter {
  const ip = addressOf(criteria.ip);
  const type = optionalText(criteria.type, 'type', 32) as SessionEventType | null;
  if (criteria.sessionId !== undefined && !isSessionId(criteria.sessionId)) {
    throw invalidArgument('sessionId', 'must be a session id: 32 hexadecimal digits');
  }
  return {
    ...(criteria.userId !== undefined && { account: accountRef(realm, criteria.userId) }),
    ...(criteria.sessionId !== undefined && { sessionId: criteria.sessionId }),
    ...(ip !== null && { ip }),
    ...(type !== null && { types: [type] }),
    ...timeRange(criteria, 'from', 'to'),
  };
}

/** Reads one address as events store it; null for none. @throws SessionError ARGUMENT_INVALID, also for a network */
export function addressOf(value: unknown): string | null {
  const text = optionalText(value, 'ip', 64);
  const address = clientAddress(text);
  if (text !== null && address === null) {
    const problem = 'must be one address such as 192.0.2.7; a network is for lists of sessions and sightings';
    throw invalidArgument('ip', problem);
  }
  return address;
}

/** Reads a prefix of addresses: whole octets of IPv4, with or without the last dot; else one address. */
const addressBegin = (text: string): IpRange | null =>
  ipRange(text) ?? (/^\d+\.[\d.]*\d$/.test(text) ? ipRange(`${text}.`) : null);

/** Reads an address or a network; null for none. @throws SessionError ARGUMENT_INVALID */
export function networkOf(value: unknown): IpRange | null {
  const text = optionalText(value, 'ip', 64);
  if (text === null) return null;
  const range = ipRange(text);
  if (!range) throw invalidArgument('ip', 'must be an address, or a network such as 192.0.2.0/24 or 2001:db8::/32');
  return range;
}

/** Null if neither time is given. @throws SessionError ARGUMENT_INVALID */
export function timeRange<K extends string>(
  times: { readonly [name in K]?: unknown },
  fromName: K,
  toName: K,
): TimeRange | null {
  const [from, to] = [timeOf(times[fromName], fromName), timeOf(times[toName], toName)];
  if (from === undefined && to === undefined) return null;
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

function timeOf(time: unknown, name: string): number | undefined {
  if (time === undefined) return undefined;
  if (Number.isSafeInteger(time) && (time as number) >= 0 && (time as number) < 2 ** 47) return time as number;
  throw invalidArgument(name, 'must be a time in integer milliseconds since the epoch');
}
