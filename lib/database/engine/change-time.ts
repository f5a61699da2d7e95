import { LATE_COMMIT_MS } from '../../ports/node-registry.js';
import { type Statement, raw, sql } from './sql.js';

/*
 * A node reads the last LATE_COMMIT_MS of the change log again with every poll. A change that becomes visible later than that after
 * its time may never be read, and the ended token stays good wherever it is remembered. So from the time of a change to its COMMIT:
 */

/** How far the time of a change may be from the clock of the database when its row is written, as the last statement. */
export const CHANGE_TOLERANCE_MS = 10_000;
/** How long the server then waits for the COMMIT before it rolls back. The rest is for what nodes read wrong of the clock. */
export const LONGEST_IDLE_MS = LATE_COMMIT_MS - CHANGE_TOLERANCE_MS - 1000;

/** What makes an INSERT fail as a time, where columns are held to be not null. */
export const NO_TIME = raw('NULL');

/**
 * The time of a change as a value for its row. The network, or a paused process, may have held the statement for so long that other
 * nodes would never read the change: then it fails.
 * @param type for integers of 64 bits @param failure makes the INSERT fail as the time
 */
export function changeTime(now: Statement, type: string, at: number, failure: Statement): Statement {
  const time = sql`CAST(${at} AS ${raw(type)})`;
  return sql`CASE WHEN ABS(${now} - ${time}) <= ${raw(String(CHANGE_TOLERANCE_MS))} THEN ${time} ELSE ${failure} END`;
}
