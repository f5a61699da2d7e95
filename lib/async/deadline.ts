import { SessionError } from '../model/session-error.js';

/** Settles like `work`, or rejects once the time is up, by default with SESSION_STORE_UNAVAILABLE. Does not cancel `work`. */
export function withDeadline<T>(
  work: Promise<T>,
  ms: number,
  late: () => Error = () => new SessionError('SESSION_STORE_UNAVAILABLE'),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  return Promise.race([work, timeUp]).finally(() => clearTimeout(timer));
}
