import type { Clock } from '../../ports/clock.js';
import type { DetachedEvent, JournalRepository, Sighting, StatisticAmount } from '../../ports/journal-repository.js';
import { escapeUserId } from '../../model/user-key.js';
import { insertEvents } from '../transactions/audit.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { addAmounts, mergeSightings } from './record-statements.js';
import { usableAt } from '../schema/session-rows.js';
import { type Statement, effect, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** The records of one realm in a database that TypeORM connects to. See JournalRepository for the contract. */
export class SqlJournalRepository implements JournalRepository {
  private readonly options: RunOptions;

  /** @param budgetMs time that each call may take, its wait for the others included */
  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    private readonly clock: Clock,
    budgetMs: number,
  ) {
    this.options = { lane: 'records', budgetMs };
  }

  async addSightings(sightings: readonly Sighting[]): Promise<void> {
    if (sightings.length === 0) return;
    await this.write(mergeSightings(this.tables, this.engine.dialect.merging, this.realm, sightings));
  }

  async addEvents(events: readonly DetachedEvent[]): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map(({ account, ...event }) => ({
      ...event,
      realm: this.realm,
      userKey: account?.key ?? null,
      userId: account ? escapeUserId(account.userId) : null,
      sessionId: null,
    }));
    await this.write(insertEvents(this.tables, rows));
  }

  async addStatistics(amounts: readonly StatisticAmount[]): Promise<void> {
    if (amounts.length === 0) return;
    await this.write(addAmounts(this.tables, this.engine.dialect.merging, this.realm, amounts));
  }

  async countLive(): Promise<number> {
    const { rows } = await this.engine.read(
      sql`SELECT COUNT(*) AS total FROM ${this.tables.session}
        WHERE realm = ${this.realm} AND ${usableAt(this.clock.now())}`,
      this.options,
    );
    return Number(rows[0]?.total);
  }

  /** At READ COMMITTED: in MySQL's default, a statement locks the rows of sessions that it only reads. */
  private async write(statement: Statement): Promise<void> {
    await this.engine.transaction(function* () {
      yield effect(statement);
    }, this.options);
  }
}
