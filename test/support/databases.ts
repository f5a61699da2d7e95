import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSourceOptions } from 'typeorm';
import { SERVERS, createMigrated } from './migrated-database.js';
import { onSharedServer, rowsOf, serverUrl } from './servers.js';
import { sized } from './size.js';

/** The driver of embedded databases, compatible with better-sqlite3. */
export const libsql: unknown = createRequire(import.meta.url)('libsql');

/** An empty database of one test file. */
export interface TestDatabase {
  /** What an application would connect with. */
  readonly options: DataSourceOptions;
  /** The same as the sample application takes it. */
  readonly url: string;
  /** Removes it; its connections must be closed. Fails if a token was ever stored in it: every test is one of G9. */
  drop(): Promise<void>;
}

export interface CreateOptions {
  readonly empty?: boolean;
}

export interface DatabaseKind {
  readonly name: 'sqlite' | 'postgres' | 'mariadb';
  /** On a server, with the tables of the library as they are after its first start, unless it is to be empty. */
  readonly create: (options?: CreateOptions) => Promise<TestDatabase>;
}

/** Where a database on a server is, as a proxy in front of it must know. */
export function portOf({ url }: TestDatabase): number {
  return Number(new URL(url).port);
}

/** Leads to a database by another port, such as that of a proxy. */
export function throughPort(database: TestDatabase, port: number): DataSourceOptions {
  const url = new URL(database.url);
  url.port = String(port);
  return { ...database.options, url: url.href } as DataSourceOptions;
}

/** The engines that everything must work on. */
export const databaseKinds: readonly DatabaseKind[] = [
  { name: 'sqlite', create: () => createSqlite() },
  { name: 'postgres', create: (options) => createOnServer('postgres', options) },
  { name: 'mariadb', create: (options) => createOnServer('mariadb', options) },
];

/** The engines that services are tested on, which do not depend on SQL: SQLite, and all in the soak. */
export const serviceKinds = sized(databaseKinds, 1);

/** The servers that tests of several processes run on: PostgreSQL, and MariaDB too in the soak. */
export const processKinds = sized(databaseKinds.slice(1));

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
    drop: async () => {
      const stored = readdirSync(directory).map((name) => readIfThere(join(directory, name)));
      rmSync(directory, { recursive: true, force: true });
      stored.forEach(refuseTokens);
    },
  };
}

/** A process that has just closed the file removes the log beside it. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

async function createOnServer(
  type: 'postgres' | 'mariadb',
  { empty = false }: CreateOptions = {},
): Promise<TestDatabase> {
  const server = SERVERS[type];
  const name = `test_${randomBytes(6).toString('hex')}`;
  const url = new URL(await serverUrl(server));
  url.pathname = `/${name}`;
  await (empty ? onSharedServer(server, `CREATE DATABASE ${name}`) : createMigrated(type, name));
  return {
    options: { type, url: url.href },
    url: url.href,
    drop: async () => {
      const schema = type === 'postgres' ? 'current_schema()' : 'DATABASE()';
      const ours = `table_schema = ${schema} AND table_name LIKE '%latchkey\\_%'`;
      const stored = await rowsOf(
        server,
        name,
        `SELECT table_name AS name FROM information_schema.tables WHERE ${ours}`,
      );
      await onSharedServer(server, `DROP DATABASE ${name}${type === 'postgres' ? ' WITH (FORCE)' : ''}`);
      refuseTokens(stored);
    },
  };
}

const TOKEN = /[a-z0-9]{2,16}_(?:at|rt)_[\w-]{96}|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}/;

function refuseTokens(stored: string): void {
  const found = TOKEN.exec(stored)?.[0];
  if (found) throw new Error(`The database holds a token: ${found.slice(0, 12)}...`);
}
