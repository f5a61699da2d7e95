import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { DataSource, type DataSourceOptions, Table } from 'typeorm';
import { makeFolder } from './make-folder.js';
import { unusableDatabase } from './unusable-database.js';
import type { DatabaseConfig } from '../config/sample-config.js';
import { AppUser } from '../users/app-user.entity.js';
import { isNotSqliteBusy, isSqliteBusy, withRetries } from './with-retries.js';

/** Compatible with better-sqlite3, and needs no compiler to install. */
const libsql: unknown = createRequire(import.meta.url)('libsql');

/** The application's own settings. The session library opens connections of its own to the same database. */
export function dataSourceOptions(database: DatabaseConfig): DataSourceOptions {
  const entities = [AppUser];
  switch (database.kind) {
    case 'memory':
      return { type: 'better-sqlite3', driver: libsql, database: ':memory:', entities };
    case 'file':
      // Where another process writes, the driver waits for the few milliseconds that this takes; see with-retries.ts.
      return {
        type: 'better-sqlite3',
        driver: libsql,
        database: database.path,
        enableWAL: true,
        timeout: 5000,
        entities,
      };
    case 'server':
      return database.type === 'postgres'
        ? { type: 'postgres', url: database.url, connectTimeoutMS: 5000, entities }
        : { type: database.type, url: database.url, connectTimeout: 5000, entities };
  }
}

/** Connects, and makes sure that the application's table is there. @throws ConfigError */
export async function openDataSource(database: DatabaseConfig, options: DataSourceOptions): Promise<DataSource> {
  try {
    if (database.kind === 'file') await makeFolder(dirname(database.path));
    const dataSource = await withRetries(() => new DataSource(options).initialize(), isSqliteBusy);
    await withRetries(() => createUserTable(dataSource), isNotSqliteBusy);
    return dataSource;
  } catch (cause) {
    throw unusableDatabase(cause);
  }
}

/**
 * An application with a schema of its own has migrations for it. This one has a single table, which every process creates
 * that finds it missing; those that come second fail, and find it there when they try again.
 */
async function createUserTable(dataSource: DataSource): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.createTable(Table.create(dataSource.getMetadata(AppUser), dataSource.driver), true);
  } finally {
    await runner.release();
  }
}
