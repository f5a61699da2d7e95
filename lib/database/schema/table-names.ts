import type { DataSource, DataSourceOptions, QueryRunner } from 'typeorm';
import type { Field } from '../../model/session-fields.js';

/** The name of a table with the `entityPrefix` of the application, which keeps two applications apart on one database. */
export function tableName({ entityPrefix = '' }: DataSourceOptions, table: string): string {
  return `${entityPrefix}latchkey_${table}`;
}

/** The same with the schema of the data source before it. */
export function tablePath({ driver, options }: DataSource, table: string): string {
  return driver.buildTableName(tableName(options, table), 'schema' in options ? options.schema : undefined);
}

/** The same as it stands in a statement: quoted. */
export function quotedTable(source: DataSource, table: string): string {
  const path = tablePath(source, table).split('.');
  return path.map((part) => source.driver.escape(part)).join('.');
}

/** Finds the data source of a migration. TypeORM 0.3 calls it `connection`. */
export function dataSourceOf(runner: QueryRunner): DataSource {
  const { dataSource, connection } = runner as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection)!;
}

export function columnOf(name: string, { column }: Pick<Field, 'column'> = {}): string {
  return column ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
