import { type QueryRunner, Table, type TableColumnOptions, type TableIndex, type TableIndexOptions } from 'typeorm';
import { dataSourceOf, quotedTablePath, tablePath } from './table-path.js';

/** A table of the library; `name` without schema and prefix, as everywhere in the migrations. */
export interface TableShape {
  readonly name: string;
  readonly columns: TableColumnOptions[];
  readonly indices: TableIndexOptions[];
}

export const text = (name: string, length: number): TableColumnOptions => ({
  name,
  type: 'varchar',
  length: String(length),
});
export const number = (name: string): TableColumnOptions => ({ name, type: 'bigint' });
export const primary = (column: TableColumnOptions): TableColumnOptions => ({ ...column, isPrimary: true });

/** MySQL or MariaDB. */
export function isMysql(queryRunner: QueryRunner): boolean {
  return ['mysql', 'mariadb'].includes(dataSourceOf(queryRunner).options.type);
}

/** Creates those of the tables that are not there. */
export async function createTables(queryRunner: QueryRunner, tables: readonly TableShape[]): Promise<void> {
  const onMysql = isMysql(queryRunner);
  for (const { name, columns, indices } of tables) {
    const path = tablePath(queryRunner, name);
    if (await queryRunner.hasTable(path)) continue;
    await queryRunner.createTable(new Table({ name: path, columns, indices, ...(onMysql && { engine: 'InnoDB' }) }));
    // Names of devices hold any character, the default of the database may not; and texts of two character sets cannot be
    // compared by an index.
    if (onMysql) {
      await queryRunner.query(`ALTER TABLE ${quotedTablePath(queryRunner, name)} CONVERT TO CHARACTER SET utf8mb4`);
    }
  }
}

/** Drops those of the tables that are there. */
export async function dropTables(queryRunner: QueryRunner, tables: readonly TableShape[]): Promise<void> {
  for (const { name } of [...tables].reverse()) await queryRunner.dropTable(tablePath(queryRunner, name), true);
}

/** Creates those of the indices of a table that are not there. */
export async function createIndices(
  queryRunner: QueryRunner,
  table: string,
  indices: readonly TableIndex[],
): Promise<void> {
  const path = tablePath(queryRunner, table);
  const known = (await queryRunner.getTable(path))?.indices.map(({ name }) => name) ?? [];
  for (const index of indices) {
    if (!known.includes(index.name)) await queryRunner.createIndex(path, index.clone());
  }
}

export async function dropIndices(
  queryRunner: QueryRunner,
  table: string,
  indices: readonly TableIndex[],
): Promise<void> {
  for (const index of indices) await queryRunner.dropIndex(tablePath(queryRunner, table), index.clone());
}
