import { ipKey } from '../../model/ip-key.js';
import type { Sighting, StatisticAmount } from '../../ports/journal-repository.js';
import type { Activity } from '../../ports/session-repository.js';
import type { Merging, ValueColumns } from '../engine/merging.js';
import { type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** No names of the tables that they are joined with: on MySQL that would be ambiguous. */
const SIGHTING_COLUMNS: ValueColumns = {
  seen_id: 'VARCHAR(45)',
  seen_key: 'VARCHAR(45)',
  seen_ip: 'VARCHAR(45)',
  seen_first: 'BIGINT',
  seen_last: 'BIGINT',
};

/** Adds sightings of sessions that the realm has, with the user of the session, to those that are there. */
export function mergeSightings(
  tables: Tables,
  { rows, target, onConflict, own, given, least, greatest }: Merging,
  realm: string,
  sightings: readonly Sighting[],
): Statement {
  const v = rows(
    SIGHTING_COLUMNS,
    sightings.map(({ sessionId, ipKey, ip, firstAt, lastAt }) => [sessionId, ipKey, ip, firstAt, lastAt]),
  );
  const set = sql`first_at = ${least}(${own('first_at')}, ${given('first_at')}),
    last_at = ${greatest}(${own('last_at')}, ${given('last_at')})`;
  return sql`${v.before}INSERT INTO ${tables.sighting}${target}
    (session_id, ip_key, ip, realm, user_key, first_at, last_at)
    SELECT v.seen_id, v.seen_key, v.seen_ip, s.realm, s.user_key, v.seen_first, v.seen_last
    FROM ${v.from} JOIN ${tables.session} s ON s.id = v.seen_id WHERE ${unindexed(sql`s.realm = ${realm}`)}
    ${onConflict('session_id, ip_key', set)}`;
}

/** Adds amounts to those that are there; of `online` the higher one stays. */
export function addAmounts(
  tables: Tables,
  { target, onConflict, own, given, greatest }: Merging,
  realm: string,
  amounts: readonly StatisticAmount[],
): Statement {
  const values = amounts.map(({ hour, kind, name, amount }) => sql`(${list([realm, hour, kind, name, amount])})`);
  const set = sql`amount = CASE WHEN ${own('kind')} = 'online'
    THEN ${greatest}(${own('amount')}, ${given('amount')}) ELSE ${own('amount')} + ${given('amount')} END`;
  return sql`INSERT INTO ${tables.statistic}${target} (${raw('realm, hour, kind, name, amount')})
    VALUES ${join(values, ', ')}${onConflict('realm, hour, kind, name', set)}`;
}

const ACTIVITY_COLUMNS: ValueColumns = {
  id: 'VARCHAR(45)',
  at: 'BIGINT',
  used_at: 'BIGINT',
  ip: 'VARCHAR(45)',
  ip_key: 'VARCHAR(45)',
};

/** Larger numbers are damaged, and sums of them none that an engine holds. */
const MOST = raw('1000000000000000');

export function mergeActivity(
  table: Statement,
  { rows, update, greatest }: Merging,
  activities: readonly Activity[],
): Statement {
  const v = rows(
    ACTIVITY_COLUMNS,
    activities.map(({ sessionId, at, usedAt, ip }) => [sessionId, at, usedAt, ip, ip === null ? null : ipKey(ip)]),
  );
  const latest = (column: string) =>
    raw(
      `CASE WHEN v.ip IS NOT NULL AND v.at >= COALESCE(s.presented_at, 0) THEN v.${column} ELSE s.last_${column} END`,
    );
  const lastUse = sql`${greatest}(s.last_seen_at, COALESCE(v.used_at, 0))`;
  // MySQL assigns from left to right and sees what it has assigned, so the address comes before the time. The new key may be null,
  // where an address is none that can be searched for: the old one is not the last any more.
  const set = sql`last_ip = ${latest('ip')}, last_ip_key = ${latest('ip_key')},
    presented_at = ${greatest}(COALESCE(s.presented_at, 0), v.at),
    idle_until = CASE WHEN s.idle_ms <= ${MOST} AND s.last_seen_at <= ${MOST} THEN ${lastUse} + s.idle_ms END,
    last_seen_at = ${lastUse}`;
  // No status is empty; see isLiveOf.
  return update(table, v, set, raw(`s.status IN ('live', '')`));
}
