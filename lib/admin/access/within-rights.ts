import { SessionError } from '../../model/session-error.js';
import type { OnlineCriteria } from '../routes/admin-filters.js';
import type { KnownOperator } from './operator.js';

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
