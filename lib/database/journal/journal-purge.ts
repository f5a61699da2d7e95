import type { RealmScope } from '../lists/realm-queries.js';
import { sessionOwner } from '../transactions/end-transaction.js';
import type { RunOptions } from '../engine/engine.js';
import { lowestEventId } from '../transactions/audit.js';
import { type Script, type Statement, effect, list, sql } from '../engine/sql.js';

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

/**
 * Removes old records of a realm: keys first, in portions, then by key, so that nodes that do it at the same time remove the same
 * rows and nothing waits for long.
 */
export class JournalPurge {
  private readonly options: RunOptions;

  constructor(private readonly parts: Omit<RealmScope, 'clock'>) {
    this.options = { lane: 'journal', budgetMs: parts.budgetMs };
  }

  /** @param hasTime asked before each portion; what is left is for the next time */
  async run(times: PurgeTimes, hasTime: () => boolean): Promise<void> {
    const { endedSessions, events, sightings, statistics } = times;
    const steps = [
      endedSessions === null ? null : () => this.someSessions(endedSessions),
      events === null ? null : () => this.someEvents(events),
      sightings === null ? null : () => this.someSightings(sightings),
      statistics === null ? null : () => this.someStatistics(statistics),
    ];
    for (const step of steps) {
      while (step && hasTime() && (await step()));
    }
  }

  /** @returns whether there may be more of them, like all that follow */
  private async someSessions(before: number): Promise<boolean> {
    const { session, data, sighting } = this.parts.tables;
    const ids = await this.keys(
      sql`SELECT id AS purge_key FROM ${session} WHERE realm = ${this.parts.realm} AND ended_at < ${before}
        ORDER BY ended_at, id LIMIT ${BATCH}`,
    );
    await this.remove(ids, [
      (some) => sql`DELETE FROM ${data} WHERE owner IN (${list(some.map(sessionOwner))})`,
      (some) => sql`DELETE FROM ${sighting} WHERE session_id IN (${list(some)})`,
      (some) => sql`DELETE FROM ${session} WHERE id IN (${list(some)}) AND status = 'ended' AND ended_at < ${before}`,
    ]);
    return ids.length === BATCH;
  }

  private async someEvents(before: number): Promise<boolean> {
    const { event } = this.parts.tables;
    const ids = await this.keys(
      sql`SELECT id AS purge_key FROM ${event} WHERE realm = ${this.parts.realm} AND id < ${lowestEventId(before)}
        ORDER BY id LIMIT ${BATCH}`,
    );
    await this.remove(ids, [(some) => sql`DELETE FROM ${event} WHERE id IN (${list(some)})`]);
    return ids.length === BATCH;
  }

  private async someSightings(before: number): Promise<boolean> {
    const { sighting } = this.parts.tables;
    const ids = await this.keys(
      sql`SELECT session_id AS purge_key FROM ${sighting} WHERE realm = ${this.parts.realm} AND last_at < ${before}
        ORDER BY last_at LIMIT ${BATCH}`,
    );
    // All old ones of a session, its key being the first part of theirs.
    await this.remove(
      [...new Set(ids)],
      [(some) => sql`DELETE FROM ${sighting} WHERE session_id IN (${list(some)}) AND last_at < ${before}`],
    );
    return ids.length === BATCH;
  }

  private async someStatistics(before: number): Promise<boolean> {
    const { statistic } = this.parts.tables;
    const { realm } = this.parts;
    const hours = await this.keys(
      sql`SELECT DISTINCT hour AS purge_key FROM ${statistic} WHERE realm = ${realm} AND hour < ${before}
        ORDER BY purge_key LIMIT ${HOURS}`,
    );
    await this.remove(hours, [
      (some) => sql`DELETE FROM ${statistic} WHERE realm = ${realm} AND hour IN (${list(some.map(Number))})`,
    ]);
    return hours.length === HOURS;
  }

  private async keys(query: Statement): Promise<readonly string[]> {
    const { rows } = await this.parts.engine.read(query, this.options);
    return rows.map((row) => String(row.purge_key));
  }

  /** In the order of their keys, as all that lock several of them do. */
  private async remove(keys: readonly string[], deletions: readonly ((some: readonly string[]) => Statement)[]) {
    if (keys.length === 0) return;
    const sorted = [...keys].sort();
    await this.parts.engine.transaction(function* (): Script<void> {
      for (const deletion of deletions) yield effect(deletion(sorted));
    }, this.options);
  }
}
