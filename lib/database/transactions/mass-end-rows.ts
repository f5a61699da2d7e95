import type { EndedSession } from '../../model/session-change.js';
import type { MassEndRows } from '../../ports/mass-end-rows.js';
import { type Script, type Statement, effect, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { realmScope } from '../schema/live-sessions.js';
import { closingOf, endSessions, findMassEnds } from './end-transaction.js';
import { isMassEndedRow, lockUnclosedRows } from './locks.js';

/** How long a node has a mass end to itself after each portion: a killed node holds it up for so long. */
const LEASE_MS = 15_000;

/** Most rows at a time on SQLite, whose transactions keep the process from all else. */
const MOST_IN_ONE_TURN = 50;

interface Lease {
  readonly scope: string;
  readonly epoch: number;
  /** By the clock of the database. Only the node that wrote it knows it. */
  readonly until: number;
}

/** Works by lease on one mass end at a time, on the connection of the journal. */
export class SqlMassEndRows extends RealmQueries implements MassEndRows {
  private lease: Lease | null = null;

  constructor(scope: RealmScope) {
    super(scope, 'journal');
  }

  async close(limit: number): Promise<readonly EndedSession[] | null> {
    const lease = (this.lease ??= await this.take());
    if (!lease) return null;
    const portion = this.engine.dialect.engine === 'sqlite' ? Math.min(limit, MOST_IN_ONE_TURN) : limit;
    const rows = await this.rows(
      sql`SELECT id FROM ${this.tables.session} WHERE ${this.rowsOf(lease)} LIMIT ${portion}`,
    );
    if (rows.length === 0) {
      this.lease = null;
      await this.write(
        sql`UPDATE ${this.tables.massEnd} SET closed_at = ${this.clock.now()} WHERE ${this.isHeld(lease)}`,
      );
      return [];
    }
    const until = this.clock.now() + LEASE_MS;
    const ids = rows.map((row) => String(row.id));
    const ended = await this.engine.transaction(() => this.closeRows(ids, lease, until), this.options);
    this.lease = { ...lease, until };
    return ended;
  }

  async oldest(): Promise<number | null> {
    const [row] = await this.rows(
      sql`SELECT MIN(at) AS at FROM ${this.tables.massEnd} WHERE realm = ${this.realm} AND closed_at IS NULL`,
    );
    return row!.at === null ? null : Number(row!.at);
  }

  private async take(): Promise<Lease | null> {
    const now = this.clock.now();
    const { massEnd } = this.tables;
    const isFree = sql`closed_at IS NULL AND (lease_until IS NULL OR lease_until <= ${now})`;
    const [row] = await this.rows(
      sql`SELECT scope, epoch FROM ${massEnd} WHERE realm = ${this.realm} AND ${isFree} ORDER BY at LIMIT 1`,
    );
    if (!row) return null;
    const lease = { scope: String(row.scope), epoch: Number(row.epoch), until: now + LEASE_MS };
    const { affected } = await this.write(
      sql`UPDATE ${massEnd} SET lease_until = ${lease.until} WHERE scope = ${lease.scope} AND epoch = ${lease.epoch} AND ${isFree}`,
    );
    return affected > 0 ? lease : null;
  }

  private *closeRows(ids: readonly string[], lease: Lease, until: number): Script<readonly EndedSession[]> {
    const { tables, engine, realm, clock } = this;
    const scope = { tables, dialect: engine.dialect, realm, clock };
    const rows = (yield* lockUnclosedRows(scope, ids)).filter(isMassEndedRow);
    const massEnds = yield* findMassEnds(scope, rows);
    const ended = yield* endSessions(scope, rows, clock.now(), (row) => closingOf(row, massEnds), false);
    yield effect(
      sql`UPDATE ${tables.massEnd} SET ended = ended + ${ended.length}, lease_until = ${until} WHERE ${this.isHeld(lease)}`,
    );
    return ended;
  }

  /** Rows that the mass end ended and that are not closed. */
  private rowsOf({ scope, epoch }: Lease): Statement {
    if (scope === realmScope(this.realm))
      return sql`realm = ${this.realm} AND status = 'live' AND realm_epoch = ${epoch}`;
    return sql`user_key = ${scope} AND status = 'live' AND account_epoch = ${epoch}`;
  }

  private isHeld({ scope, epoch, until }: Lease): Statement {
    return sql`scope = ${scope} AND epoch = ${epoch} AND lease_until = ${until}`;
  }

  private write(statement: Statement) {
    return this.engine.write(statement, this.options);
  }
}
