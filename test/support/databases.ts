import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';

/** The driver of embedded databases, compatible with better-sqlite3. */
export const libsql: unknown = createRequire(import.meta.url)('libsql');

/** An empty database of one test file. */
export interface TestDatabase {
  /** What an application would connect with. */
  readonly options: DataSourceOptions;
  /** The same as the sample application takes it. */
  readonly url: string;
  /** Removes it; its connections must be closed. */
  drop(): Promise<void>;
}

export interface DatabaseKind {
  readonly name: 'sqlite' | 'postgres' | 'mariadb';
  readonly create: () => Promise<TestDatabase>;
}

/** The engines that everything must work on. The servers are started by global-setup.mjs. */
export const databaseKinds: readonly DatabaseKind[] = [
  { name: 'sqlite', create: () => createSqlite() },
  { name: 'postgres', create: () => createOnServer('postgres', 'TEST_POSTGRES_URL') },
  { name: 'mariadb', create: () => createOnServer('mariadb', 'TEST_MARIADB_URL') },
];

/** The kinds with these names. */
export function kindsOf(...names: DatabaseKind['name'][]): readonly DatabaseKind[] {
  return databaseKinds.filter(({ name }) => names.includes(name));
}

export function sqliteOptions(database: string): DataSourceOptions {
  return { type: 'better-sqlite3', driver: libsql, database };
}

/** @param parent where the file is to be */
export async function createSqlite(parent = tmpdir()): Promise<TestDatabase> {
  const directory = mkdtempSync(join(parent, 'session-test-'));
  const file = join(directory, 'sessions.sqlite');
  return {
    options: sqliteOptions(file),
    url: `sqlite:${file}`,
    drop: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

async function createOnServer(type: 'postgres' | 'mariadb', variable: string): Promise<TestDatabase> {
  const server = process.env[variable];
  if (!server) throw new Error(`${variable} is not set; run the tests with npm test`);
  const name = `test_${randomBytes(6).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await onServer({ type, url: server }, `CREATE DATABASE ${name}`);
  return {
    options: { type, url: url.href },
    url: url.href,
    drop: () => onServer({ type, url: server }, `DROP DATABASE ${name}${type === 'postgres' ? ' WITH (FORCE)' : ''}`),
  };
}

async function onServer(options: DataSourceOptions, statement: string): Promise<void> {
  const dataSource = await new DataSource(options).initialize();
  await dataSource.query(statement);
  await dataSource.destroy();
}
