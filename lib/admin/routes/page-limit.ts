import { invalidArgument } from '../../model/session-error.js';

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 200;

/** The size of a page: 50 by default, 200 at most. @throws SessionError ARGUMENT_INVALID for anything but 1 to 200 */
export function pageLimit(limit: unknown): number {
  if (limit === undefined || limit === null) return DEFAULT_PAGE;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    throw invalidArgument('limit', `must be a whole number from 1 to ${MAX_PAGE}`);
  }
  return limit;
}
