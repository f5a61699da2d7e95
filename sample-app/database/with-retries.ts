import { setTimeout as pause } from 'node:timers/promises';

const ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 400;

/**
 * Does work that may fail because another process does the same at the same moment: opens a new SQLite file, creates a
 * table, adds the same users. The work must be safe to repeat. Rejects with the last error after about three seconds.
 * @param isWorthIt whether to try again after an error
 */
export async function withRetries<T>(work: () => Promise<T>, isWorthIt: (error: unknown) => boolean): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isWorthIt(error)) throw error;
    }
    await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, 20 * 2 ** attempt));
  }
}

/** Another process holds the lock of the SQLite file. */
export function isSqliteBusy(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY');
}

/**
 * For work on a connection that is open. libsql does not finish a prepared statement that fails with SQLITE_BUSY: whatever
 * the same connection writes after that seems to succeed and is never committed. So the driver waits for the lock itself
 * (`timeout` of the data source), and where that was too short, nothing is tried again.
 */
export function isNotSqliteBusy(error: unknown): boolean {
  return !isSqliteBusy(error);
}
