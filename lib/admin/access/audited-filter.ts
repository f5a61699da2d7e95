import type { EventCriteria, OnlineCriteria } from '../routes/admin-filters.js';
import type { OnlineQuery } from '../lists/online-users.service.js';

/** Criteria that say nothing of an address. Others do: `ip`, and `q`, which may be the beginning of one. */
const WITHOUT_ADDRESSES: ReadonlySet<string> = new Set<keyof OnlineCriteria | keyof EventCriteria>([
  'userId',
  'sessionId',
  'deviceType',
  'loginMethod',
  'type',
  'createdFrom',
  'createdTo',
  'seenFrom',
  'seenTo',
  'from',
  'to',
]);

/** Which page of a list, in which order, and what the operator may see. */
const NO_CRITERIA: ReadonlySet<string> = new Set<keyof OnlineQuery | 'groupBy'>([
  'limit',
  'cursor',
  'sort',
  'groupBy',
  'addresses',
]);

/** What an operator asked for, as the audit trail keeps it. */
export function auditedFilter(asked: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(asked).filter(([name, value]) => value !== undefined && !NO_CRITERIA.has(name)),
  );
}

/** The same for whoever may see no addresses: that there was such a criterion, and not what it was. */
export function filterWithoutAddresses(filter: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(filter).map(([name, value]) => [name, WITHOUT_ADDRESSES.has(name) ? (value as unknown) : null]),
  );
}
