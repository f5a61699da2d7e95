import type { IpRange } from '../../model/ip-key.js';
import type { AccountRef } from '../../model/user-key.js';
import { Keyset, type Listed, type Portion, every, inListOrder } from './keyset.js';
import type { TimeRange } from './online-filter.js';
import { RealmQueries, type RealmScope } from './realm-queries.js';
import { optional, toUserId } from '../schema/session-rows.js';
import { type Row, type Statement, sql } from '../engine/sql.js';

/** A session that was used from an address. Times in milliseconds since the epoch. */
export interface SightingItem {
  readonly sessionId: string;
  /** Null where the session is not on record any more. */
  readonly userId: string | null;
  readonly userName: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly impersonator: string | null;
  readonly ip: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

export const SIGHTING_ORDER = new Keyset(
  [
    { name: 'g.last_at', kind: 'number' },
    { name: 'g.session_id', kind: 'hex' },
    { name: 'g.ip_key', kind: 'hex' },
  ],
  true,
);

/** Lists of which sessions were used from which addresses, latest use first. */
export class SightingQueries extends RealmQueries {
  /** @param precisionMs how far behind the last use a recorded lastAt may be */
  constructor(
    scope: RealmScope,
    private readonly precisionMs: number,
  ) {
    super(scope);
  }

  /** Sightings that may have been within a time. For a moment, give `from` and `to` one millisecond apart. */
  byAddress(
    { low, high }: IpRange,
    { from, to }: TimeRange,
    portion: Portion,
  ): Promise<readonly Listed<SightingItem>[]> {
    // With one address, and only then, the rows come out of the index in the order of the list.
    const within = low === high ? sql`g.ip_key = ${low}` : sql`g.ip_key BETWEEN ${low} AND ${high}`;
    const conditions = [sql`g.realm = ${this.realm}`, within];
    if (from !== undefined) conditions.push(sql`g.last_at >= ${from - this.precisionMs}`);
    if (to !== undefined) conditions.push(sql`g.first_at < ${to}`);
    return this.list(conditions, portion);
  }

  bySession(sessionId: string, portion: Portion): Promise<readonly Listed<SightingItem>[]> {
    return this.list([sql`g.session_id = ${sessionId} AND g.realm = ${this.realm}`], portion);
  }

  byUser(account: AccountRef, portion: Portion): Promise<readonly Listed<SightingItem>[]> {
    return this.list([sql`g.user_key = ${account.key}`], portion);
  }

  /** Sessions are looked at for those of the portion only, not for all that are sorted. */
  private async list(conditions: readonly Statement[], portion: Portion): Promise<readonly Listed<SightingItem>[]> {
    const { serial } = this.engine.dialect;
    const order = SIGHTING_ORDER.order(portion);
    const rows = await this.rows(
      sql`SELECT g.session_id, g.ip, g.ip_key, g.first_at, g.last_at, s.user_id, s.user_name, s.device_type, s.device_name, s.impersonator
        FROM (
          SELECT g.* FROM ${this.tables.sighting} g WHERE ${every(conditions)}${serial}${SIGHTING_ORDER.after(portion)}${order}
        ) g LEFT JOIN ${this.tables.session} s ON s.id = g.session_id${order}`,
    );
    return SIGHTING_ORDER.listed(inListOrder(rows, portion), toItem);
  }
}

function toItem(row: Row): SightingItem {
  return {
    sessionId: String(row.session_id),
    userId: toUserId(row.user_id),
    userName: optional(row.user_name),
    deviceType: optional(row.device_type),
    deviceName: optional(row.device_name),
    impersonator: optional(row.impersonator),
    ip: String(row.ip),
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
  };
}
