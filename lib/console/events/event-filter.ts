import type { EventItem } from '../contract.js';
import { mayBeAddress, type Query } from '../shared/logic/online-filter.js';

export const EVENT_FILTERS = ['type', 'userId', 'sessionId', 'ip', 'from', 'to'] as const;

/** Whether an event that has just come may belong into the list. Where only the server knows, this errs towards yes. */
export function eventMayBelong(event: EventItem, query: Query): boolean {
  const { type, userId, sessionId, ip, to } = query;
  if (type && event.type !== type) return false;
  if (userId && event.userId !== userId) return false;
  if (sessionId && event.sessionId !== sessionId) return false;
  if (ip && (event.ip === null || !mayBeAddress(event.ip, ip))) return false;
  return !to || Date.parse(event.at) < Date.parse(to);
}
