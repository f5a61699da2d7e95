import { SessionError } from '../model/session-error.js';

/** Settles like `work`, or rejects once the time is up, by default with SESSION_STORE_UNAVAILABLE. Does not cancel `work`. */
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
