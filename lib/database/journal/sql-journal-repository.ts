import { escapeUserId } from '../../model/user-key.js';
import type { DetachedEvent, JournalRepository, Sighting, StatisticAmount } from '../../ports/journal-repository.js';
import { type Statement, effect, sql } from '../engine/sql.js';
import { LiveEpochs } from '../lists/live-epochs.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { insertEvents } from '../transactions/audit.js';
import { addAmounts, mergeSightings } from './journal-statements.js';

export class SqlJournalRepository extends RealmQueries implements JournalRepository {
  private readonly live: LiveEpochs;

  constructor(scope: RealmScope) {
    super(scope, 'journal');
    this.live = new LiveEpochs(scope, 'journal');
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
    await this.live.read();
    const [row] = await this.rows(
      sql`SELECT COUNT(*) AS total FROM ${this.tables.session} WHERE ${this.live.isLive()} AND ${this.live.isUsable()}`,
    );
    return Number(row?.total);
  }

  /** At READ COMMITTED: in MySQL's default, a statement locks the rows of sessions that it only reads. */
  private async write(statement: Statement): Promise<void> {
    await this.engine.transaction(function* () {
      yield effect(statement);
    }, this.options);
  }
}
