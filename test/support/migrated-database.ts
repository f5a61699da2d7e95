import { DataSource, type DataSourceOptions } from 'typeorm';
import { openDatabase } from 'lib/database.js';

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

/** Copies a database in which the migrations have run, since they take far longer; the first test makes that one. */
export async function createMigrated(type: ServerKind, server: string, name: string): Promise<void> {
  await onServer(type, server, async (query) => {
    if (!(await isMade(type, query))) {
      // Until the connection is closed.
      await query(LOCKS[type]);
      if (!(await isMade(type, query))) await makeTemplate(type, server, query);
    }
    await (type === 'postgres' ? query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`) : copyTables(query, name));
  });
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

async function isMade(type: ServerKind, query: Query): Promise<boolean> {
  const found = await query(
    type === 'postgres'
      ? `SELECT 1 FROM pg_database WHERE datname = '${TEMPLATE}'`
      : `SELECT 1 FROM information_schema.tables WHERE table_schema = '${TEMPLATE}' AND table_name = '${COMPLETE}'`,
  );
  return found.length > 0;
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

async function copyTables(query: Query, name: string): Promise<void> {
  const tables = await query(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${TEMPLATE}' AND table_name <> '${COMPLETE}'`,
  );
  await query(`CREATE DATABASE ${name}`);
  for (const table of tables) {
    await query(`CREATE TABLE ${name}.${table.name} LIKE ${TEMPLATE}.${table.name}`);
    await query(`INSERT INTO ${name}.${table.name} SELECT * FROM ${TEMPLATE}.${table.name}`);
  }
}
