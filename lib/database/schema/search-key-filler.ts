import { ipKey } from '../../model/ip-key.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { searchKeys } from './search-keys.js';
import { optional, toUserId } from './session-rows.js';
import { type Row, type Script, type Statement, effect, join, raw, sql } from '../engine/sql.js';
import type { Tables } from './tables.js';

/** Most rows of one step. */
const BATCH = 200;

/**
 * Gives live sessions the keys that operators find them by where they have none: those from before the columns were there, and
 * those that a node of an earlier version has added since.
 */
export class SearchKeyFiller {
  private readonly options: RunOptions;

  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    budgetMs: number,
  ) {
    this.options = { lane: 'control', budgetMs };
  }

  /** @returns how many it filled in; none if there is nothing left to do */
  async fillSome(): Promise<number> {
    const { rows } = await this.engine.read(
      sql`SELECT id, user_id, user_name, device_name, ip, last_ip FROM ${this.tables.session}
        WHERE realm = ${this.realm} AND status = 'live' AND user_search IS NULL LIMIT ${BATCH}`,
      this.options,
    );
    if (rows.length > 0) await this.engine.transaction(() => this.fill(rows), this.options);
    return rows.length;
  }

  private *fill(rows: readonly Row[]): Script<void> {
    for (const row of rows) {
      yield effect(sql`UPDATE ${this.tables.session} SET ${assignments(row)} WHERE id = ${String(row.id)}`);
    }
  }
}

function assignments(row: Row): Statement {
  const lastIp = optional(row.last_ip);
  const keys = {
    ...searchKeys({
      // A row that no version of the library wrote is no session, but must not be looked at for ever.
      userId: toUserId(row.user_id) ?? '',
      userName: optional(row.user_name),
      deviceName: optional(row.device_name),
      ip: optional(row.ip),
    }),
    last_ip_key: lastIp === null ? null : ipKey(lastIp),
  };
  return join(
    Object.entries(keys).map(([column, value]) => sql`${raw(column)} = ${value}`),
    ', ',
  );
}
