import { SessionError } from './session-error.js';

/**
 * The result of a piece of work, or SESSION_STORE_UNAVAILABLE once the time is up. The work itself is not stopped; what it
 * does afterwards must be harmless.
 */
export function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new SessionError('SESSION_STORE_UNAVAILABLE')), ms);
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
