import { lowestEventId } from '../transactions/audit.js';
import { RealmQueries } from './realm-queries.js';
import { toUserId } from '../schema/session-rows.js';
import { type Statement, list, raw, sql } from '../engine/sql.js';

export interface FailedLoginsOfUser {
  /** As the client wrote it; there may be no such user. */
  readonly userId: string;
  readonly count: number;
  /** Number of different addresses. */
  readonly addresses: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
  /** See FailedLoginQueries. */
  readonly burst: boolean;
}

export interface FailedLoginsOfAddress {
  readonly ip: string;
  readonly count: number;
  /** Number of different accounts. */
  readonly accounts: number;
  readonly lastAt: number;
  readonly burst: boolean;
}

const HOUR_MS = 3_600_000;
const WINDOW_MS = 600_000;
const BURST_LOGINS = 10;
const BURST_ACCOUNTS = 5;
const LIMIT = 100;

/**
 * Lists accounts or addresses, at most 100, bursts first. `burst`: 10 or more in a fixed window of 10 minutes (UTC), or
 * 5 accounts from one address. Misses a burst on the border of two windows.
 */
export class FailedLoginQueries extends RealmQueries {
  /** @param hours how far back to look */
  async byUser(hours: number): Promise<readonly FailedLoginsOfUser[]> {
    const groups = await this.groups(raw('user_key'), raw('ip'), hours, sql`MAX(w.amount) >= ${BURST_LOGINS}`);
    return groups.flatMap(({ userId, count, others, lastAt, burst }) =>
      userId === null ? [] : [{ userId, count, addresses: others, lastAt, burst }],
    );
  }

  /** @param hours how far back to look */
  async byAddress(hours: number): Promise<readonly FailedLoginsOfAddress[]> {
    const isBurst = sql`(MAX(w.amount) >= ${BURST_LOGINS} OR MAX(w.others) >= ${BURST_ACCOUNTS})`;
    const groups = await this.groups(raw('ip'), raw('user_key'), hours, isBurst);
    return groups.map(({ key: ip, count, others, lastAt, burst }) => ({ ip, count, accounts: others, lastAt, burst }));
  }

  private async groups(key: Statement, other: Statement, hours: number, burst: Statement) {
    const since = this.clock.now() - hours * HOUR_MS;
    const failed = sql`FROM ${this.tables.event} WHERE realm = ${this.realm} AND type = 'LOGIN_FAILED'
      AND id >= ${lowestEventId(since)}`;
    const rows = await this.rows(
      sql`SELECT w.key_value, SUM(w.amount) AS total, MAX(w.last_at) AS last_at,
          CASE WHEN ${burst} THEN 1 ELSE 0 END AS burst
        FROM (SELECT ${key} AS key_value, at - at % ${raw(String(WINDOW_MS))} AS time_window, COUNT(*) AS amount,
            COUNT(DISTINCT ${other}) AS others, MAX(at) AS last_at
          ${failed} AND ${key} IS NOT NULL GROUP BY key_value, time_window) w
        GROUP BY w.key_value ORDER BY burst DESC, total DESC, w.key_value LIMIT ${LIMIT}`,
    );
    if (rows.length === 0) return [];
    // Distinct ones of the whole time are no sum of those of its windows. Counted for the groups that are shown only.
    const shown = await this.rows(
      sql`SELECT ${key} AS key_value, COUNT(DISTINCT ${other}) AS others, MAX(user_id) AS user_id
        ${failed} AND ${key} IN (${list(rows.map((row) => String(row.key_value)))}) GROUP BY ${key}`,
    );
    const details = new Map(shown.map((row) => [row.key_value, row]));
    return rows.map((row) => ({
      key: String(row.key_value),
      userId: toUserId(details.get(row.key_value)?.user_id),
      count: Number(row.total),
      others: Number(details.get(row.key_value)?.others ?? 0),
      lastAt: Number(row.last_at),
      burst: Number(row.burst) === 1,
    }));
  }
}
