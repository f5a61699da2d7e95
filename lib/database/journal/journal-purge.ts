import { type Script, type Statement, effect, list, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { lowestEventId } from '../transactions/audit.js';
import { sessionOwner } from '../transactions/end-transaction.js';

/** Up to which time records are removed, in milliseconds since the epoch; null for none of them. */
export interface PurgeTimes {
  /** Sessions that ended before, with their data and their sightings. */
  readonly endedSessions: number | null;
  readonly events: number | null;
  /** By their last use. */
  readonly sightings: number | null;
  readonly statistics: number | null;
}

/** Most rows that are looked up at a time, so that no statement holds its locks for long. */
const BATCH = 500;
/** Hours at a time; there are some hundred rows of an hour at most. */
const HOURS = 24;

/** Removes old records of a realm in portions: keys first, then by key, so that nodes that purge at the same time do not wait long. */
export class JournalPurge extends RealmQueries {
  constructor(scope: RealmScope) {
    super(scope, 'journal');
  }

  /** @param hasTime asked before each portion; what is left is for the next time */
  async run({ endedSessions, events, sightings, statistics }: PurgeTimes, hasTime: () => boolean): Promise<void> {
    const { session, data, sighting, event, statistic } = this.tables;
    const ofRealm = sql`realm = ${this.realm}`;
    const steps = [
      endedSessions !== null &&
        this.portions(
          BATCH,
          sql`SELECT id AS purge_key FROM ${session} WHERE ${ofRealm} AND ended_at < ${endedSessions} ORDER BY ended_at, id`,
          (ids) => [
            sql`DELETE FROM ${data} WHERE owner IN (${list(ids.map(sessionOwner))})`,
            sql`DELETE FROM ${sighting} WHERE session_id IN (${list(ids)})`,
            sql`DELETE FROM ${session} WHERE id IN (${list(ids)}) AND status = 'ended' AND ended_at < ${endedSessions}`,
          ],
        ),
      events !== null &&
        this.portions(
          BATCH,
          sql`SELECT id AS purge_key FROM ${event} WHERE ${ofRealm} AND id < ${lowestEventId(events)} ORDER BY id`,
          (ids) => [sql`DELETE FROM ${event} WHERE id IN (${list(ids)})`],
        ),
      // All old ones of a session, its key being the first part of theirs.
      sightings !== null &&
        this.portions(
          BATCH,
          sql`SELECT session_id AS purge_key FROM ${sighting} WHERE ${ofRealm} AND last_at < ${sightings} ORDER BY last_at`,
          (ids) => [sql`DELETE FROM ${sighting} WHERE session_id IN (${list(ids)}) AND last_at < ${sightings}`],
        ),
      statistics !== null &&
        this.portions(
          HOURS,
          sql`SELECT DISTINCT hour AS purge_key FROM ${statistic} WHERE ${ofRealm} AND hour < ${statistics} ORDER BY purge_key`,
          (hours) => [sql`DELETE FROM ${statistic} WHERE ${ofRealm} AND hour IN (${list(hours.map(Number))})`],
        ),
    ];
    for (const step of steps) {
      while (step && hasTime() && (await step()));
    }
  }

  /** Deletes in the order of the keys, as all that lock several rows do. Resolves to true if there may be more. */
  private portions(limit: number, keys: Statement, deletions: (keys: readonly string[]) => readonly Statement[]) {
    return async () => {
      const rows = await this.rows(sql`${keys} LIMIT ${limit}`);
      const sorted = [...new Set(rows.map((row) => String(row.purge_key)))].sort();
      if (rows.length === 0) return false;
      await this.engine.transaction(function* (): Script<void> {
        for (const deletion of deletions(sorted)) yield effect(deletion);
      }, this.options);
      return rows.length === limit;
    };
  }
}
