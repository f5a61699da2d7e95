import type { QueryRunner } from 'typeorm';

/** The table in the schema, and with the prefix, of the data source that runs a migration. */
export function tablePath({ dataSource }: QueryRunner, name: string): string {
  const { driver, options } = dataSource;
  const schema = 'schema' in options ? options.schema : undefined;
  return driver.buildTableName(`${options.entityPrefix ?? ''}${name}`, schema);
}

/** The same, as it stands in a statement. */
export function quotedTablePath(queryRunner: QueryRunner, name: string): string {
  const { driver } = queryRunner.dataSource;
  return tablePath(queryRunner, name)
    .split('.')
    .map((part) => driver.escape(part))
    .join('.');
}
