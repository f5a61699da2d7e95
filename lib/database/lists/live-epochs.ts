import { type Statement, join, sql } from '../engine/sql.js';
import { isLiveIn, isOfEndedAccount } from '../schema/live-sessions.js';
import { RealmQueries } from './realm-queries.js';

/** Most accounts whose ended sessions have yet to be closed that a list names one by one. */
const MOST_NAMED = 20;

/**
 * Knows which rows of a realm are live, from a small read before each list: the list itself then has no subquery, which would
 * keep PostgreSQL from working in parallel and from reading indexes alone.
 */
export class LiveEpochs extends RealmQueries {
  private begun = 0;
  private readIn = 0;
  private realmEpoch = 0;
  /** Accounts with rows to close, as conditions; null for too many. */
  private ended: readonly Statement[] | null = [];

  /** To be called before the statements of a list are made. */
  async read(): Promise<void> {
    const order = ++this.begun;
    const { realm, massEnd } = this.tables;
    const rows = await this.rows(
      sql`SELECT '' AS scope, end_epoch AS epoch FROM ${realm} WHERE realm = ${this.realm}
        UNION ALL SELECT scope, epoch FROM (SELECT scope, epoch FROM ${massEnd} WHERE realm = ${this.realm} AND closed_at IS NULL
          AND user_id IS NOT NULL LIMIT ${MOST_NAMED + 1}) AS open_ends`,
    );
    // Of two reads, the later one counts, whichever is answered last.
    if (order < this.readIn) return;
    this.readIn = order;
    this.realmEpoch = Number(rows.find(({ scope }) => scope === '')?.epoch ?? 0);
    const accounts = rows.filter(({ scope }) => scope !== '');
    this.ended =
      accounts.length > MOST_NAMED
        ? null
        : accounts.map(({ scope, epoch }) => sql`(user_key = ${String(scope)} AND account_epoch = ${Number(epoch)})`);
  }

  /** Rows that every index of live sessions begins with. */
  isLive(): Statement {
    return isLiveIn(this.tables, this.realm, sql`${this.realmEpoch}`);
  }

  /** Beside `isLive`: sessions that can be used, whose account has not had all of them ended. */
  isUsable(): Statement {
    const usable = sql`usable_until > ${this.clock.now()}`;
    if (this.ended === null) return sql`${usable} AND NOT ${isOfEndedAccount(this.tables)}`;
    return this.ended.length === 0 ? usable : sql`${usable} AND NOT (${join(this.ended, ' OR ')})`;
  }
}
