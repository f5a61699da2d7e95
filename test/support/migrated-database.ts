import { DataSource, type DataSourceOptions } from 'typeorm';
import { openDatabase } from 'lib/database.js';
import { onSharedServer, serverUrl } from './servers.js';

type ServerKind = 'postgres' | 'mariadb';
type Query = (statement: string) => Promise<Record<string, string>[]>;

const TEMPLATE = 'test_template';
const BUDGET_MS = 60_000;

/** A table that the template of MariaDB has when all others are there. */
const COMPLETE = 'complete';

const LOCKS: Readonly<Record<ServerKind, string>> = {
  postgres: 'SELECT pg_advisory_lock(1)',
  mariadb: `SELECT GET_LOCK('${TEMPLATE}', 60)`,
};

export const SERVERS = { postgres: 'PostgreSQL', mariadb: 'MariaDB' } as const;

/** Copies a database in which the migrations have run, since they take far longer; the first test makes that one. */
export async function createMigrated(type: ServerKind, name: string): Promise<void> {
  if (!(await isMade(type))) {
    const server = await serverUrl(SERVERS[type]);
    await onServer(type, server, async (query) => {
      // Until the connection is closed.
      await query(LOCKS[type]);
      if (!(await isMade(type))) await makeTemplate(type, server, query);
    });
  }
  await onSharedServer(
    SERVERS[type],
    ...(type === 'postgres' ? [await copyStatement(name)] : await copyStatements(name)),
  );
}

/** Statements on a connection of their own. */
export async function onServer<T>(type: ServerKind, server: string, work: (query: Query) => Promise<T>): Promise<T> {
  const source = await new DataSource({ type, url: server }).initialize();
  const runner = source.createQueryRunner();
  try {
    return await work((statement) => runner.query(statement));
  } finally {
    await runner.release();
    await source.destroy();
  }
}

async function isMade(type: ServerKind): Promise<boolean> {
  const statement =
    type === 'postgres'
      ? `SELECT 1 FROM pg_database WHERE datname = '${TEMPLATE}'`
      : `SELECT 1 FROM information_schema.tables WHERE table_schema = '${TEMPLATE}' AND table_name = '${COMPLETE}'`;
  const [found] = await onSharedServer(SERVERS[type], statement);
  return found!.length > 0;
}

async function makeTemplate(type: ServerKind, server: string, query: Query): Promise<void> {
  const made = type === 'postgres' ? `${TEMPLATE}_unfinished` : TEMPLATE;
  await query(`DROP DATABASE IF EXISTS ${made}`);
  await query(`CREATE DATABASE ${made}`);
  const url = new URL(server);
  url.pathname = `/${made}`;
  const source: DataSourceOptions = { type, url: url.href };
  const lanes = { verify: 1, work: 1, control: 1, journal: 1 };
  const { engine } = await openDatabase({ source, runMigrations: true, lanes, budgetMs: BUDGET_MS });
  await engine.close();
  await query(
    type === 'postgres'
      ? `ALTER DATABASE ${made} RENAME TO ${TEMPLATE}`
      : `CREATE TABLE ${TEMPLATE}.${COMPLETE} (id INT)`,
  );
}

/** The strategy that version 15 brought, and has by default, takes several times as long for a few small tables. */
async function copyStatement(name: string): Promise<string> {
  const [rows] = await onSharedServer('PostgreSQL', 'SHOW server_version_num');
  const strategy = Number(rows![0]!.server_version_num) >= 150_000 ? ' STRATEGY file_copy' : '';
  return `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}${strategy}`;
}

async function copyStatements(name: string): Promise<string[]> {
  const [tables] = await onSharedServer(
    'MariaDB',
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${TEMPLATE}' AND table_name <> '${COMPLETE}'`,
  );
  return [
    `CREATE DATABASE ${name}`,
    ...tables!.flatMap((table) => [
      `CREATE TABLE ${name}.${table.name} LIKE ${TEMPLATE}.${table.name}`,
      `INSERT INTO ${name}.${table.name} SELECT * FROM ${TEMPLATE}.${table.name}`,
    ]),
  ];
}
