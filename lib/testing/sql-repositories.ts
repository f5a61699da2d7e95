import type { DataSourceOptions } from 'typeorm';
import { type Database, openDatabase } from '../database/engine/database.js';
import { SqlSessionRepository } from '../database/transactions/sql-session-repository.js';
import type { RepositoriesUnderTest } from './contract-stage.js';
import { ManualClock } from './manual-clock.js';

const BUDGET_MS = 20_000;

/**
 * Opens the library's own repositories on a database, to run `sessionRepositoryContract` on a server that this project does
 * not test. Creates the tables.
 * @param database of tests only: options of a TypeORM DataSource
 * @throws SessionError CONFIGURATION_INVALID, saying what to change
 */
export async function openSqlRepositories(
  database: DataSourceOptions,
): Promise<RepositoriesUnderTest & { close(): Promise<void> }> {
  const clock = new ManualClock(Date.UTC(2026, 0, 15, 12));
  const lanes = { verify: 4, work: 8, control: 2, journal: 1 };
  const settings = { source: database, runMigrations: true, lanes, budgetMs: BUDGET_MS, datesByDatabase: false };
  const opened = await openDatabase(settings);
  const second = await openDatabase(settings).catch(async (error: unknown) => {
    await opened.engine.close();
    throw error;
  });
  const budgets = { verifyMs: BUDGET_MS, loginMs: BUDGET_MS, endMs: BUDGET_MS };
  const repository = ({ engine, tables }: Database, realm = 'users') =>
    new SqlSessionRepository({ engine, tables, realm, clock, budgets });
  const close = async () => void (await Promise.all([opened, second].map(({ engine }) => engine.close())));
  return { nodes: [repository(opened), repository(second)], foreign: repository(opened, 'elsewhere'), clock, close };
}
