import type { RealmScope } from '../lists/realm-queries.js';
import type { DetachedEvent, JournalRepository, Sighting, StatisticAmount } from '../../ports/journal-repository.js';
import { escapeUserId } from '../../model/user-key.js';
import { insertEvents } from '../transactions/audit.js';
import type { RunOptions } from '../engine/engine.js';
import { addAmounts, mergeSightings } from './journal-statements.js';
import { usableAt } from '../schema/session-rows.js';
import { type Statement, effect, sql } from '../engine/sql.js';

/** The records of one realm in a database that TypeORM connects to. See JournalRepository for the contract. */
export class SqlJournalRepository implements JournalRepository {
  private readonly options: RunOptions;

  /** @param budgetMs time that each call may take, its wait for the others included */
  constructor(private readonly parts: RealmScope) {
    this.options = { lane: 'journal', budgetMs: parts.budgetMs };
  }

  async addSightings(sightings: readonly Sighting[]): Promise<void> {
    if (sightings.length === 0) return;
    await this.write(mergeSightings(this.parts.tables, this.parts.engine.dialect.merging, this.parts.realm, sightings));
  }

  async addEvents(events: readonly DetachedEvent[]): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map(({ account, ...event }) => ({
      ...event,
      realm: this.parts.realm,
      userKey: account?.key ?? null,
      userId: account ? escapeUserId(account.userId) : null,
      sessionId: null,
    }));
    await this.write(insertEvents(this.parts.tables, rows));
  }

  async addStatistics(amounts: readonly StatisticAmount[]): Promise<void> {
    if (amounts.length === 0) return;
    await this.write(addAmounts(this.parts.tables, this.parts.engine.dialect.merging, this.parts.realm, amounts));
  }

  async countLive(): Promise<number> {
    const { rows } = await this.parts.engine.read(
      sql`SELECT COUNT(*) AS total FROM ${this.parts.tables.session}
        WHERE realm = ${this.parts.realm} AND ${usableAt(this.parts.clock.now())}`,
      this.options,
    );
    return Number(rows[0]?.total);
  }

  /** At READ COMMITTED: in MySQL's default, a statement locks the rows of sessions that it only reads. */
  private async write(statement: Statement): Promise<void> {
    await this.parts.engine.transaction(function* () {
      yield effect(statement);
    }, this.options);
  }
}
