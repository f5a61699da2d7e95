import { SessionError } from '../model/session-error.js';

/**
 * The result of a piece of work, or an error once the time is up. The work itself is not stopped; what it does afterwards
 * must be harmless.
 * @param late makes the error; SESSION_STORE_UNAVAILABLE if it is left out
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
