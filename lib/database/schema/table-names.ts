import type { DataSource, DataSourceOptions } from 'typeorm';
import type { Field } from '../../model/session-fields.js';

/** The name of a table with the `entityPrefix` of the application, which keeps two applications apart on one database. */
export function tableName({ entityPrefix = '' }: DataSourceOptions, table: string): string {
  return `${entityPrefix}latchkey_${table}`;
}

/** The same as it stands in a statement: quoted, and in the schema of the data source. */
export function quotedTable({ driver, options }: DataSource, table: string): string {
  const schema = 'schema' in options ? options.schema : undefined;
  const path = driver.buildTableName(tableName(options, table), schema).split('.');
  return path.map((part) => driver.escape(part)).join('.');
}

export function columnOf(name: string, { column }: Pick<Field, 'column'> = {}): string {
  return column ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
