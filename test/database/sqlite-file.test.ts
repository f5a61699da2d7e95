import { beforeEach, describe, expect, it } from '@jest/globals';
import Libsql from 'libsql';
import { copyFileSync, statSync } from 'node:fs';
import type { DataSourceOptions } from 'typeorm';
import { type Database, openDatabase } from 'lib/database.js';
import { type SqliteConnection } from 'lib/sqlite-engine.js';
import { sql } from 'lib/sql.js';
import { createSqlite, kindsOf } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';

const OPTIONS = { lane: 'work', budgetMs: 5000 } as const;
const LANES = { verify: 1, work: 1, control: 1, journal: 1 };
const MEGABYTE = 2 ** 20;

describe('the file of an SQLite database', () => {
  const test = useDatabase(kindsOf('sqlite')[0]!);
  let file: string;
  let database: Database;
  const open = (source = test.options) => openDatabase({ source, runMigrations: true, lanes: LANES, budgetMs: 5000 });
  const connect = (path = file) => new Libsql(path) as unknown as SqliteConnection & { close(): void };
  const fill = async (megabytes: number) => {
    for (let written = 0; written < megabytes; written++)
      await database.engine.write(sql`INSERT INTO filler (text) VALUES (${'x'.repeat(MEGABYTE)})`, OPTIONS);
  };
  const sizeOfLog = () => statSync(`${file}-wal`).size / MEGABYTE;

  beforeEach(async () => {
    file = (test.options as { database: string }).database;
    database = await open();
    test.atEnd(() => database.engine.close());
    await database.engine.write(sql`CREATE TABLE filler (text TEXT)`, OPTIONS);
  });

  it('has everything in it after a clean stop, so that a copy of it alone is whole', async () => {
    await fill(1);
    await database.engine.close();
    copyFileSync(file, `${file}.copy`);
    const copy = connect(`${file}.copy`);
    expect(copy.prepare('SELECT COUNT(*) AS count FROM filler').all([])).toMatchObject([{ count: 1 }]);
    copy.close();
    database = await open();
  });

  it('says that the disk is full, and works on when there is room again', async () => {
    const { connection } = database.engine as unknown as { connection: SqliteConnection };
    const limit = (pages: number) => connection.prepare(`PRAGMA max_page_count = ${pages}`).all([]);
    limit(1);
    await expect(fill(1)).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
      cause: { code: 'SQLITE_FULL', message: expect.stringMatching(/full/) as unknown },
    });
    limit(1_000_000);
    await fill(1);
  });

  it('says at boot that the disk is full, and gives no advice about rights', async () => {
    const full = await createSqlite();
    const prepareDatabase = (connection: { pragma(text: string): unknown }) => connection.pragma('max_page_count = 8');
    const source = { ...full.options, prepareDatabase } as DataSourceOptions;
    await expect(open(source)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /cannot create or change its tables \(.*full.*\)\. Its disk is full: make room, and start again\.$/,
      ),
    });
    await full.drop();
  });

  it('has a log that is bounded once no reader is open any more, and is named while one is', async () => {
    const reader = connect();
    reader.exec('BEGIN');
    reader.prepare('SELECT COUNT(*) AS count FROM filler').all([]);
    await fill(70);
    expect(sizeOfLog()).toBeGreaterThan(64);
    await expect(database.engine.tidy!()).rejects.toThrow(/write-ahead log .* 7\d MiB/);
    reader.exec('COMMIT');
    reader.close();
    await database.engine.tidy!();
    await fill(1);
    expect(sizeOfLog()).toBeLessThan(8);
  });
});
