import type { IpRange } from '../core/ip-key.js';
import type { AccountRef } from '../core/user-key.js';
import type { Engine, RunOptions } from './engine.js';
import { optional, toUserId } from './session-rows.js';
import { type Row, type Statement, join, raw, sql } from './sql.js';
import type { Tables } from './tables.js';

/** A session that was used from an address, with what its record says of it. Times in milliseconds since the epoch. */
export interface SightingItem {
  readonly sessionId: string;
  /** Null where the session is not on record any more. */
  readonly userId: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly ip: string;
  readonly ipKey: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A place in a list of sightings: lastAt, sessionId and ipKey. */
export type SightingPosition = readonly (number | string)[];

/** Which part of a list: the rows next to a place, in the direction of the list (latest first) or against it. */
export interface SightingPortion {
  /** Null: the beginning of the list. */
  readonly from: SightingPosition | null;
  /** The rows before the place; they come in the reverse order. */
  readonly backwards: boolean;
  readonly limit: number;
}

/** Sightings that may have been within a time; each part may be left out. */
export interface SightingTime {
  /** Inclusive. */
  readonly from?: number;
  /** Exclusive. */
  readonly to?: number;
}

/** Which sessions were used from which addresses. All lists are paged by key, latest first. */
export class SightingQueries {
  private readonly options: RunOptions;

  /** @param precisionMs how far behind the last use a recorded lastAt may be */
  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    private readonly precisionMs: number,
    budgetMs: number,
  ) {
    this.options = { lane: 'work', budgetMs };
  }

  /** Of an address or a network. For a moment, give `from` and `to` one millisecond apart. */
  byAddress({ low, high }: IpRange, time: SightingTime, portion: SightingPortion): Promise<readonly SightingItem[]> {
    // With one address, and only then, the rows come out of the index in the order of the list.
    const within = low === high ? sql`g.ip_key = ${low}` : sql`g.ip_key BETWEEN ${low} AND ${high}`;
    return this.list([sql`g.realm = ${this.realm}`, within, ...this.during(time)], portion);
  }

  bySession(sessionId: string, portion: SightingPortion): Promise<readonly SightingItem[]> {
    return this.list([sql`g.session_id = ${sessionId} AND g.realm = ${this.realm}`], portion);
  }

  byUser(account: AccountRef, portion: SightingPortion): Promise<readonly SightingItem[]> {
    return this.list([sql`g.user_key = ${account.key}`], portion);
  }

  private during({ from, to }: SightingTime): Statement[] {
    return [
      ...(from === undefined ? [] : [sql`g.last_at >= ${from - this.precisionMs}`]),
      ...(to === undefined ? [] : [sql`g.first_at < ${to}`]),
    ];
  }

  private async list(
    conditions: readonly Statement[],
    { from, backwards, limit }: SightingPortion,
  ): Promise<readonly SightingItem[]> {
    const all = from ? [...conditions, beyond(from, raw(backwards ? '>' : '<'))] : conditions;
    const direction = raw(backwards ? '' : ' DESC');
    const { rows } = await this.engine.read(
      sql`SELECT g.session_id, g.ip, g.ip_key, g.first_at, g.last_at, s.user_id, s.device_type, s.device_name
        FROM ${this.tables.sighting} g LEFT JOIN ${this.tables.session} s ON s.id = g.session_id
        WHERE ${join(all, ' AND ')}
        ORDER BY g.last_at${direction}, g.session_id${direction}, g.ip_key${direction} LIMIT ${limit}`,
      this.options,
    );
    return rows.map(toItem);
  }
}

/** Written as a range on the first column, which every engine turns into the start of an index scan. */
function beyond(position: SightingPosition, than: Statement): Statement {
  const [lastAt, sessionId, ipKey] = [Number(position[0]), String(position[1]), String(position[2])];
  return sql`g.last_at ${than}= ${lastAt} AND (g.last_at ${than} ${lastAt} OR g.session_id ${than} ${sessionId}
    OR (g.session_id = ${sessionId} AND g.ip_key ${than} ${ipKey}))`;
}

function toItem(row: Row): SightingItem {
  return {
    sessionId: String(row.session_id),
    userId: toUserId(row.user_id),
    deviceType: optional(row.device_type),
    deviceName: optional(row.device_name),
    ip: String(row.ip),
    ipKey: String(row.ip_key),
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
  };
}
