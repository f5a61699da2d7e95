import { SOUGHT_FIELDS } from '../../model/session-fields.js';
import type { EventCriteria, OnlineCriteria } from '../routes/admin-filters.js';
import type { OnlineQuery } from '../lists/online-users.service.js';
import { SessionError } from '../../model/session-error.js';
import type { KnownOperator } from './admin.guard.js';

/** Unlike `ip`, and `q`, which may be the beginning of an address. */
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

/** Page, order and visibility, which are not criteria. */
const NO_CRITERIA: ReadonlySet<string> = new Set<keyof OnlineQuery | 'groupBy'>([
  'limit',
  'cursor',
  'sort',
  'groupBy',
  'addresses',
]);

/** Formats an operator's filter for the audit trail. */
export function auditedFilter(asked: object): Readonly<Record<string, unknown>> {
  const criteria = Object.entries(asked).filter(([name, value]) => value !== undefined && !NO_CRITERIA.has(name));
  return Object.fromEntries(criteria);
}

/** Formats a filter for operators without `viewAddresses`: names the criterion without its value. */
export function filterWithoutAddresses(filter: object): Readonly<Record<string, unknown>> {
  const criteria = Object.entries(filter) as [string, unknown][];
  return Object.fromEntries(criteria.map(([name, value]) => [name, WITHOUT_ADDRESSES.has(name) ? value : null]));
}

/** Hides addresses unless the operator may see them. @throws SessionError FORBIDDEN for a filter by address */
export function withinRights<T extends OnlineCriteria>(operator: KnownOperator, criteria: T): T {
  if (operator.rights.has('viewAddresses')) return criteria;
  forbidAddresses(operator, criteria.ip);
  return { ...criteria, addresses: false };
}

/** @throws SessionError FORBIDDEN for a search by address without `viewAddresses` */
export function forbidAddresses({ rights }: KnownOperator, ip: unknown): void {
  if (ip !== undefined && !rights.has('viewAddresses')) throw new SessionError('FORBIDDEN');
}
