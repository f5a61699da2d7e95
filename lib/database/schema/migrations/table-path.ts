import type { DataSource, QueryRunner } from 'typeorm';

/** The data source of a query runner. TypeORM 0.3 calls it `connection`. */
export function dataSourceOf(queryRunner: QueryRunner): DataSource {
  const { dataSource, connection } = queryRunner as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection)!;
}

/** The table in the schema, and with the prefix, of the data source that runs a migration. */
export function tablePath(queryRunner: QueryRunner, name: string): string {
  const { driver, options } = dataSourceOf(queryRunner);
  const schema = 'schema' in options ? options.schema : undefined;
  return driver.buildTableName(`${options.entityPrefix ?? ''}${name}`, schema);
}

/** The same, as it stands in a statement. */
export function quotedTablePath(queryRunner: QueryRunner, name: string): string {
  const { driver } = dataSourceOf(queryRunner);
  return tablePath(queryRunner, name)
    .split('.')
    .map((part) => driver.escape(part))
    .join('.');
}
