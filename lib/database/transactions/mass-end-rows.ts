import type { EndedSession } from '../../model/session-change.js';
import type { MassEndRows } from '../../ports/mass-end-rows.js';
import { type Script, type Statement, effect, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { realmScope } from '../schema/live-sessions.js';
import { closingOf, endSessions, findMassEnds } from './end-transaction.js';
import { isMassEndedRow, lockUnclosedRows } from './locks.js';

/** Longest lease, in milliseconds. */
const MAX_LEASE_MS = 15_000;
/** No lease lasts longer, not even by a clock that is somewhat ahead: the clock of the database was set back. */
const FARTHEST_LEASE_MS = 2 * MAX_LEASE_MS;

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
  private readonly leaseMs: number;
  private lease: Lease | null = null;

  /** @param sweepMs interval at which nodes look for work: a killed node holds a mass end up for half of it, and at most 15 s */
  constructor(scope: RealmScope, sweepMs: number) {
    super(scope, 'journal');
    this.leaseMs = Math.ceil(Math.min(MAX_LEASE_MS, sweepMs / 2));
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
    const next = { ...lease, until: this.clock.now() + this.leaseMs };
    const ids = rows.map((row) => String(row.id));
    const ended = await this.engine.transaction(() => this.closeRows(ids, lease, next), this.options);
    this.lease = ended && next;
    return ended ?? [];
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
    const isFree = sql`closed_at IS NULL
      AND (lease_until IS NULL OR lease_until <= ${now} OR lease_until > ${now + FARTHEST_LEASE_MS})`;
    const [row] = await this.rows(
      sql`SELECT scope, epoch FROM ${massEnd} WHERE realm = ${this.realm} AND ${isFree} ORDER BY at LIMIT 1`,
    );
    if (!row) return null;
    const lease = { scope: String(row.scope), epoch: Number(row.epoch), until: now + this.leaseMs };
    const { affected } = await this.write(
      sql`UPDATE ${massEnd} SET lease_until = ${lease.until} WHERE scope = ${lease.scope} AND epoch = ${lease.epoch} AND ${isFree}`,
    );
    return affected > 0 ? lease : null;
  }

  /** Renews the lease first, which others wait for. Null, and nothing done, if another node has it by now. */
  private *closeRows(ids: readonly string[], lease: Lease, next: Lease): Script<readonly EndedSession[] | null> {
    const { tables, engine, realm, clock } = this;
    const scope = { tables, dialect: engine.dialect, realm, clock };
    const { affected } =
      yield sql`UPDATE ${tables.massEnd} SET lease_until = ${next.until} WHERE ${this.isHeld(lease)}`;
    if (affected === 0) return null;
    const rows = (yield* lockUnclosedRows(scope, ids)).filter(isMassEndedRow);
    const massEnds = yield* findMassEnds(scope, rows);
    const ended = yield* endSessions(scope, rows, clock.now(), (row) => closingOf(row, massEnds), false);
    yield effect(sql`UPDATE ${tables.massEnd} SET ended = ended + ${ended.length} WHERE ${this.isHeld(next)}`);
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
