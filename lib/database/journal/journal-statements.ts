import type { Sighting, StatisticAmount } from '../../ports/journal-repository.js';
import type { Merging, ValueColumn } from '../engine/merging.js';
import { type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** None has the name of a column of the tables that they meet: on MySQL that would be ambiguous. */
const SIGHTING_COLUMNS: readonly ValueColumn[] = [
  { name: 'seen_id', type: 'VARCHAR(45)' },
  { name: 'seen_key', type: 'VARCHAR(45)' },
  { name: 'seen_ip', type: 'VARCHAR(45)' },
  { name: 'seen_first', type: 'BIGINT' },
  { name: 'seen_last', type: 'BIGINT' },
];

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
