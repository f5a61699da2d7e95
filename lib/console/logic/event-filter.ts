import type { EventItem } from '../contract.js';
import type { Query } from './online-filter.js';

export const EVENT_FILTERS = ['type', 'userId', 'sessionId', 'ip', 'from', 'to'] as const;

/** Whether an event that has just come may belong into the list. A network is not looked into: that errs towards yes. */
export function eventMayBelong(event: EventItem, query: Query): boolean {
  const { type, userId, sessionId, ip, to } = query;
  if (type && event.type !== type) return false;
  if (userId && event.userId !== userId) return false;
  if (sessionId && event.sessionId !== sessionId) return false;
  if (ip && !ip.includes('/') && event.ip !== ip) return false;
  return !to || Date.parse(event.at) <= Date.parse(to);
}
