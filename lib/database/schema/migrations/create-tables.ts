import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { quotedTable, tableName } from '../table-names.js';
import { TABLES } from './tables-of-create.js';

/** When it was written, which is the order that migrations run in. */
const TIME = 1_796_000_000_000;

/** Columns of PostgreSQL alone, by table. A change names its transaction, by which nodes read the log in the order of commits. */
const POSTGRES_COLUMNS: Partial<Record<keyof typeof TABLES, string>> = {
  change: `
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()`,
};

/**
 * `unique`: one session in a slot, which is the device policy as the schema enforces it. `live`: of live sessions only. `open`: the
 * same by the time of the end, which no other search asks for: without statistics, PostgreSQL takes any index of live sessions for
 * as good as another. `idle`: of live ones with an idle timeout of their own. `opened`: of those that an operator opened. `postgres`
 * and `others`: on those engines.
 */
type Index = readonly [
  table: keyof typeof TABLES,
  name: string,
  columns: string,
  kind?: 'unique' | 'postgres' | 'others' | keyof typeof PARTS,
];

const PARTS = {
  live: " WHERE status = 'live'",
  open: ' WHERE ended_at IS NULL',
  idle: " WHERE status = 'live' AND idle_until IS NOT NULL",
  opened: " WHERE status = 'live' AND impersonator IS NOT NULL",
} as const;

const INDEXES: readonly Index[] = [
  ['session', 'slot', 'user_key, slot, account_epoch, realm_epoch', 'unique'],
  ['session', 'account', 'user_key, status, account_epoch, created_at'],
  ['session', 'device', 'user_key, device_id, id', 'open'],
  ['session', 'ended', 'user_key, ended_at'],
  ['session', 'overdue', 'realm, status, usable_until'],
  ['session', 'past', 'realm, ended_at, id'],
  ['session', 'by_use', 'realm, status, realm_epoch, last_seen_at, id'],
  ['session', 'idle', 'realm, realm_epoch, idle_until', 'idle'],
  ['session', 'by_login', 'realm, status, realm_epoch, created_at, id'],
  ['session', 'by_reason', 'realm, end_reason, ended_at, id'],
  ['session', 'find_user', 'realm, realm_epoch, user_search, user_key, id', 'live'],
  ['session', 'find_name', 'realm, realm_epoch, name_search, id', 'live'],
  ['session', 'find_device', 'realm, realm_epoch, device_search, id', 'live'],
  ['session', 'find_ip', 'realm, realm_epoch, ip_key, id', 'live'],
  ['session', 'find_last_ip', 'realm, realm_epoch, last_ip_key, id', 'live'],
  ['session', 'find_type', 'realm, realm_epoch, device_type, id', 'live'],
  ['session', 'find_method', 'realm, realm_epoch, login_method, id', 'live'],
  ['session', 'opened', 'impersonator, id', 'opened'],
  ['mass_end', 'open', 'realm, closed_at'],
  ['event', 'realm', 'realm, id'],
  ['event', 'account', 'user_key, id'],
  ['event', 'session', 'session_id, id'],
  ['event', 'ip', 'ip, id'],
  ['event', 'type', 'realm, type, id'],
  ['change', 'at', 'realm, at', 'others'],
  ['change', 'xid', 'realm, xid', 'postgres'],
  ['change', 'account', 'user_key'],
  ['sighting', 'ip', 'realm, ip_key, last_at'],
  ['sighting', 'last', 'realm, last_at'],
  ['sighting', 'user', 'user_key, last_at'],
];

/**
 * All tables of the library. Leaves alone what is there already, so that both the application's DataSource and the library may
 * run it.
 */
export class CreateTables implements MigrationInterface {
  readonly name = `LatchkeyCreateTables${TIME}`;

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of creation(dataSourceOf(runner))) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of Object.keys(TABLES).reverse()) {
      await runner.query(`DROP TABLE IF EXISTS ${quotedTable(dataSourceOf(runner), table)}`);
    }
  }
}

/** TypeORM 0.3 calls it `connection`. */
function dataSourceOf(runner: QueryRunner): DataSource {
  const { dataSource, connection } = runner as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection)!;
}

function creation(source: DataSource): readonly string[] {
  const isMysql = source.options.type === 'mysql' || source.options.type === 'mariadb';
  const isPostgres = source.options.type === 'postgres';
  return Object.entries(TABLES).flatMap(([table, columns]) => {
    const path = quotedTable(source, table);
    const foreign = isPostgres ? 'others' : 'postgres';
    const indexes = INDEXES.filter(([of, , , kind]) => of === table && kind !== foreign);
    if (isMysql) return ofMysql(path, columns, indexes);
    const more = isPostgres ? POSTGRES_COLUMNS[table as keyof typeof TABLES] : undefined;
    return ofOthers(source, path, more ? `${more},${columns}` : columns, indexes);
  });
}

/** The default of the database may not hold every character; and texts of two character sets cannot be compared by an index. */
function ofMysql(path: string, columns: string, indexes: readonly Index[]): string {
  const keys = indexes.map(([table, name, on, kind]) => {
    const key =
      kind === 'live' || kind === 'idle'
        ? on.replace('realm,', 'realm, status,')
        : kind === 'open'
          ? on.replace(/id$/, 'ended_at, id')
          : on;
    return `,\n    ${kind === 'unique' ? 'UNIQUE ' : ''}INDEX idx_latchkey_${table}_${name} (${key})`;
  });
  return `CREATE TABLE IF NOT EXISTS ${path} (${columns}${keys.join('')}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;
}

/**
 * Their names of indexes are those of a schema, not of a table. The status must not be in a partial index: PostgreSQL leaves out a
 * condition that is the index's own, and then reads the index from end to end for want of the column before the one that is searched.
 */
function ofOthers({ driver, options }: DataSource, path: string, columns: string, indexes: readonly Index[]): string[] {
  const statements = indexes.map(([table, name, on, kind]) => {
    const index = driver.escape(`idx_${tableName(options, table)}_${name}`);
    const where = kind !== undefined && kind in PARTS ? PARTS[kind as keyof typeof PARTS] : '';
    return `CREATE ${kind === 'unique' ? 'UNIQUE ' : ''}INDEX IF NOT EXISTS ${index} ON ${path} (${on})${where}`;
  });
  return [`CREATE TABLE IF NOT EXISTS ${path} (${columns})`, ...statements];
}
