import { DataSource } from 'typeorm';
import type { TestDatabase } from './databases.js';

/** Sets the clock of one PostgreSQL database for new connections: a function earlier in the search path. */
export class DatabaseClock {
  private constructor(private readonly source: DataSource) {}

  static async of(database: TestDatabase): Promise<DatabaseClock> {
    const source = await new DataSource(database.options).initialize();
    await source.query(`CREATE SCHEMA test_clock`);
    await source.query(`CREATE TABLE test_clock.step (by INTERVAL)`);
    await source.query(`INSERT INTO test_clock.step VALUES ('0')`);
    await source.query(
      `CREATE FUNCTION test_clock.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE SQL VOLATILE
        AS 'SELECT pg_catalog.clock_timestamp() + by FROM test_clock.step'`,
    );
    const [{ name }] = await source.query<[{ name: string }]>('SELECT current_database() AS name');
    await source.query(`ALTER DATABASE ${name} SET search_path = public, test_clock, pg_catalog`);
    return new DatabaseClock(source);
  }

  /** Sets it, by so much of what is right. */
  async set(hours: number): Promise<void> {
    await this.source.query(`UPDATE test_clock.step SET by = '${hours} hours'`);
  }

  close(): Promise<void> {
    return this.source.destroy();
  }
}
