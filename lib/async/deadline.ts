import { SessionError } from '../model/session-error.js';

/**
 * Settles like `work`, or rejects once the time is up. Does not cancel `work`, whose later effects must be harmless.
 * @param late makes the error; default SESSION_STORE_UNAVAILABLE
 */
export function withDeadline<T>(
  work: Promise<T>,
  ms: number,
  late: () => Error = () => new SessionError('SESSION_STORE_UNAVAILABLE'),
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- passed on as it came
        reject(error);
      },
    );
  });
}
