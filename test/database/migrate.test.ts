import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sessionEntities, sessionMigrations } from 'nestjs-latchkey';
import { DataSource, type DataSourceOptions, type MigrationInterface, type QueryRunner } from 'typeorm';
import { dialectOf } from 'lib/dialect.js';
import { MIGRATIONS_TABLE, migrate } from 'lib/migrate.js';
import { type TestDatabase, createSqlite } from '../support/databases.js';

/** Runs a migration; `meanwhile` is done between two looks at what indexes there are, or after it where it does not look. */
async function interrupted(migration: MigrationInterface, runner: QueryRunner, meanwhile: () => Promise<void>) {
  const query = runner.query.bind(runner);
  let begun: Promise<void> | undefined;
  runner.query = async (...args: Parameters<typeof query>) => {
    const answer: unknown = await query(...args);
    if (args[0].includes(`"type" = 'index'`)) await (begun ??= meanwhile());
    return answer as never;
  };
  try {
    await migration.up(runner);
  } finally {
    runner.query = query;
  }
  await (begun ?? meanwhile());
}

describe('an SQLite file that two processes migrate at the same time', () => {
  let database: TestDatabase;
  let one: DataSource;
  let other: DataSource;

  const open = () =>
    new DataSource({
      ...database.options,
      entities: [...sessionEntities],
      migrations: [...sessionMigrations],
      migrationsTableName: MIGRATIONS_TABLE,
      enableWAL: true,
    } as DataSourceOptions).initialize();
  const dialect = dialectOf('better-sqlite3');

  beforeEach(async () => {
    database = await createSqlite();
    [one, other] = [await open(), await open()];
  });

  afterEach(async () => {
    await Promise.all([one.destroy(), other.destroy()]);
    await database.drop();
  });

  it.each(sessionMigrations.map(({ name }, index) => [name, index] as const))(
    'is whole where one comes to its end while the other reads what %s needs',
    async (_name, index) => {
      const migration = one.migrations[index]!;
      let interruptions = 0;
      const up = (runner: QueryRunner) =>
        interrupted(migration, runner, () => {
          interruptions++;
          return migrate(other, dialect);
        });
      one.migrations.splice(index, 1, { name: migration.constructor.name, up, down: () => Promise.resolve() });
      await migrate(one, dialect);
      expect(interruptions).toBe(1);
      const run = (await one.query(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`)) as { name: string }[];
      expect(run.map(({ name }) => name)).toEqual(sessionMigrations.map(({ name }) => name));
      const { upQueries } = await one.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
    },
  );
});
