import { SOUGHT_FIELDS } from '../../model/session-fields.js';
import type { EventCriteria, OnlineCriteria } from '../routes/admin-filters.js';
import type { OnlineQuery } from '../lists/online-users.service.js';
import { SessionError } from '../../model/session-error.js';
import type { KnownOperator } from './admin.guard.js';

/** Criteria that say nothing of an address. Others do: `ip`, and `q`, which may be the beginning of one. */
const WITHOUT_ADDRESSES: ReadonlySet<string> = new Set<keyof OnlineCriteria | keyof EventCriteria>([
  'userId',
  'sessionId',
  ...SOUGHT_FIELDS,
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

/**
 * What an operator asks for, as far as they may: whoever may not see addresses must not find sessions by them either.
 * @throws SessionError FORBIDDEN for a filter by address
 */
export function withinRights<T extends OnlineCriteria>(operator: KnownOperator, criteria: T): T {
  if (operator.rights.has('viewAddresses')) return criteria;
  forbidAddresses(operator, criteria.ip);
  return { ...criteria, addresses: false };
}

/** @throws SessionError FORBIDDEN where an operator who may see no addresses asks by one */
export function forbidAddresses({ rights }: KnownOperator, ip: unknown): void {
  if (ip !== undefined && !rights.has('viewAddresses')) throw new SessionError('FORBIDDEN');
}
