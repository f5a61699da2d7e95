import { beforeEach, describe, expect, it } from '@jest/globals';
import { sessionMigrations } from 'nestjs-latchkey';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { dialectOf } from 'lib/dialect.js';
import { migrate, migrationOptions } from 'lib/migrate.js';
import { kindsOf } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';

describe('an SQLite file that two processes migrate at the same time', () => {
  const database = useDatabase(kindsOf('sqlite')[0]!);
  let one: DataSource;
  let other: DataSource;

  const open = () =>
    new DataSource({
      ...database.options,
      ...migrationOptions(database.options),
      enableWAL: true,
    } as DataSourceOptions).initialize();
  const dialect = dialectOf('better-sqlite3');

  beforeEach(async () => {
    [one, other] = [await open(), await open()];
    database.atEnd(() => Promise.all([one.destroy(), other.destroy()]));
  });

  it('is whole where one comes to its end while the other is about to begin', async () => {
    const [migration] = one.migrations;
    one.migrations.splice(0, 1, {
      name: migration!.name,
      up: async (runner) => {
        await migration!.up(runner);
        await migrate(other, dialect);
      },
      down: () => Promise.resolve(),
    });
    await migrate(one, dialect);
    const run = (await one.query('SELECT name FROM latchkey_migration ORDER BY id')) as { name: string }[];
    expect(run.map(({ name }) => name)).toEqual(sessionMigrations.map((Migration) => new Migration().name));
    expect(await one.query('SELECT id FROM latchkey_session')).toEqual([]);
  });
});
