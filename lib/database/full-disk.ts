import { codesOf } from './engine/dialect.js';

/** SQLite, the system, PostgreSQL's disk_full; MySQL's ER_DISK_FULL, ER_RECORD_FILE_FULL and ER_ERROR_ON_WRITE for it. */
const FULL_CODES = /^(SQLITE_FULL|ENOSPC|53100|ER_DISK_FULL|ER_DISK_FULL_NOWAIT|ER_RECORD_FILE_FULL)/;

/** @returns what to do about an error of the database: for a full disk that, else the advice for what it commonly is */
export function adviceFor(error: unknown, common: string): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (FULL_CODES.test(codesOf(cause).code)) return 'Its disk is full: make room, and start again.';
  }
  return common;
}
