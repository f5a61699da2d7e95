import { type MigrationInterface, type QueryRunner, Table, type TableColumnOptions, TableIndex } from 'typeorm';
import { quotedTablePath, tablePath } from './table-path.js';

const text = (name: string, length: number): TableColumnOptions => ({ name, type: 'varchar', length: String(length) });
const number = (name: string): TableColumnOptions => ({ name, type: 'bigint' });
const primary = (column: TableColumnOptions): TableColumnOptions => ({ ...column, isPrimary: true });

const TABLES = [
  {
    name: 'user_session_sighting',
    columns: [
      primary(text('session_id', 32)),
      primary(text('ip_key', 32)),
      text('ip', 45),
      text('realm', 64),
      text('user_key', 64),
      number('first_at'),
      number('last_at'),
    ],
    indices: [
      { name: 'idx_user_session_sighting_ip', columnNames: ['realm', 'ip_key', 'last_at'] },
      { name: 'idx_user_session_sighting_last', columnNames: ['realm', 'last_at'] },
      { name: 'idx_user_session_sighting_user', columnNames: ['user_key', 'last_at'] },
    ],
  },
  {
    name: 'user_session_statistic',
    columns: [
      primary(text('realm', 64)),
      primary(number('hour')),
      primary(text('kind', 16)),
      primary(text('name', 32)),
      number('amount'),
    ],
    indices: [],
  },
];

const INDICES = [
  {
    table: 'user_session',
    index: new TableIndex({ name: 'idx_user_session_past', columnNames: ['realm', 'ended_at', 'id'] }),
  },
  {
    table: 'user_session_event',
    index: new TableIndex({ name: 'idx_user_session_event_type', columnNames: ['realm', 'type', 'id'] }),
  },
];

/**
 * Tables of what operators read later, and indexes by which failed logins are counted and old records are found. What is there
 * already is left alone, as by the migrations before.
 */
export class AddSightingsAndStatistics1764100000000 implements MigrationInterface {
  name = 'AddSightingsAndStatistics1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const isMysql = ['mysql', 'mariadb'].includes(queryRunner.dataSource.options.type);
    for (const { name, columns, indices } of TABLES) {
      const path = tablePath(queryRunner, name);
      if (await queryRunner.hasTable(path)) continue;
      await queryRunner.createTable(new Table({ name: path, columns, indices, ...(isMysql && { engine: 'InnoDB' }) }));
      // As the tables that they are joined with: texts of two character sets cannot be compared by an index.
      if (isMysql) {
        await queryRunner.query(`ALTER TABLE ${quotedTablePath(queryRunner, name)} CONVERT TO CHARACTER SET utf8mb4`);
      }
    }
    for (const { table, index } of INDICES) {
      const path = tablePath(queryRunner, table);
      const known = (await queryRunner.getTable(path))?.indices ?? [];
      if (!known.some(({ name }) => name === index.name)) await queryRunner.createIndex(path, index.clone());
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const { table, index } of INDICES) await queryRunner.dropIndex(tablePath(queryRunner, table), index.clone());
    for (const { name } of TABLES) await queryRunner.dropTable(tablePath(queryRunner, name), true);
  }
}
